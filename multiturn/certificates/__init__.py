"""Certificates of approximate indexes: how much of the exact answer a page of theirs holds, and how soon it comes."""

from multiturn.certificates.certified import USUAL, CertifiedIndex, certified_index
from multiturn.certificates.files import read_certificate, read_certificates, write_certificate
from multiturn.certificates.measuring import measure, wilson
from multiturn.certificates.queries import Queries, given, held_out, perturbed
from multiturn.certificates.record import Certificate, IndexRecord, Recall, Speed, certificate_line, records_of

__all__ = [
    "USUAL",
    "Certificate",
    "CertifiedIndex",
    "IndexRecord",
    "Queries",
    "Recall",
    "Speed",
    "certificate_line",
    "certified_index",
    "given",
    "held_out",
    "measure",
    "perturbed",
    "read_certificate",
    "read_certificates",
    "records_of",
    "wilson",
    "write_certificate",
]
