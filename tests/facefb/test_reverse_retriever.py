"""Claims about search by example photos: the retriever, its scores, a person's photos and who gives them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from facefb.reverse_retriever import ExampleRetriever
from facefb.reverse_scores import similarity
from facefb.reverse_settings import ExampleSettings, PeopleSettings, ReverseSearchSettings
from facefb.reverse_users import Album, ExampleUser, list_measures
from multiturn.contracts import check_retriever, check_user
from multiturn.gallery import Gallery
from multiturn.index import ExactIndex
from multiturn.regions import Regions
from multiturn.replies import ImageReply, RelevanceReply, TextReply
from multiturn.session import Session, play
from multiturn.training import save_pretrained

DRAW = torch.Generator().manual_seed(3)
# Five people with 1, 2, 3, 4 and 6 photos, in mixed order.
PERSON = ["e", "b", "c", "d", "e", "c", "a", "d", "e", "e", "b", "d", "c", "e", "d", "e"]
CENTRES = {name: torch.randn(8, generator=DRAW) for name in "abcde"}
NOISY = torch.stack([CENTRES[name] + 0.4 * torch.randn(8, generator=DRAW) for name in PERSON])
GALLERY = Gallery.of(
    [f"{place:02d}" for place in range(len(PERSON))], torch.nn.functional.normalize(NOISY, dim=1), "enc", "s"
)
ALBUM = Album(PERSON)
MATED = ALBUM.mated
ONE = torch.zeros(1, dtype=torch.long)


def told(retriever: ExampleRetriever, *places: int, page: int = len(PERSON)) -> Session:
    session = Session(retriever, GALLERY, ONE, page)
    for place in places:
        session.tell(ImageReply((GALLERY.ids[place],), GALLERY.vectors[place : place + 1]))
    return session


def wrong(*places: int) -> RelevanceReply:
    return RelevanceReply(torch.tensor([places]), torch.full((1, len(places)), -1, dtype=torch.int8))


@pytest.mark.parametrize("self_hit", ["leave_out", "keep"])
@pytest.mark.parametrize("combine", ["mean", "best", "first"])
def test_a_retriever_by_examples_keeps_its_promises(combine, self_hit):
    user = ExampleUser(GALLERY, ALBUM, ["example", "wrong", "example"])
    check_retriever(ExampleRetriever("enc", combine, self_hit), GALLERY, user, MATED[:5], turns=5)


def test_vectors_of_any_length_are_searched_by_their_distance():
    long = Gallery.of(GALLERY.ids, 50 * NOISY, "enc", "s")
    check_retriever(ExampleRetriever("enc", "best"), long, ExampleUser(long, ALBUM, ["example"]), MATED[:5])


@pytest.mark.parametrize("says", [["example"], ["example", "wrong", "example"], ["example", "nothing"]])
def test_a_user_with_photos_keeps_its_promises(says):
    check_user(ExampleUser(GALLERY, ALBUM, says), GALLERY, MATED[:4])


def test_the_score_is_the_distance_and_prints_like_the_sources():
    turn = told(ExampleRetriever("enc", self_hit="keep"), 3).show()
    distance = (GALLERY.vectors - GALLERY.vectors[3]).norm(dim=1)
    assert turn.shown[0].tolist() == distance.argsort().tolist()
    printed = [similarity(score) for score in turn.scores[0].tolist()]
    assert printed == pytest.approx((1 / (1 + distance.sort().values.square())).tolist(), rel=1e-5)


def test_the_query_comes_first_where_it_is_kept_and_last_where_it_is_left_out():
    assert told(ExampleRetriever("enc", self_hit="keep"), 3).show().shown[0, 0] == 3
    assert told(ExampleRetriever("enc"), 3).show().shown[0, -1] == 3


def test_a_copy_of_the_query_under_another_name_is_left_out_with_it():
    vectors = GALLERY.vectors.clone()
    vectors[10:] = vectors[0]
    twins = Gallery.of(GALLERY.ids, vectors, "enc", "s")
    session = Session(ExampleRetriever("enc"), twins, ONE, len(twins))
    shown = session.tell(ImageReply(("x",), vectors[:1])).shown[0].tolist()
    assert sorted(shown[-7:]) == [0, *range(10, 16)]


@pytest.mark.parametrize(("apart", "left_out"), [(1e-6, True), (2.0**-12, True), (0.01, False)])
def test_a_photo_that_was_encoded_again_is_left_out_though_its_last_bits_differ(apart, left_out):
    vector = GALLERY.vectors[:1] * (1 + apart)
    session = Session(ExampleRetriever("enc"), GALLERY, ONE, len(GALLERY))
    shown = session.tell(ImageReply(("x",), vector)).shown[0].tolist()
    assert (shown[-1] == 0) is left_out


def test_a_photo_given_twice_counts_once():
    retriever = ExampleRetriever("enc")
    once, again = told(retriever, 3, 7).show(), told(retriever, 3, 7, 3, 3).show()
    assert torch.equal(once.shown, again.shown) and torch.allclose(once.scores, again.scores)


def test_the_mean_of_examples_of_length_1_has_length_1():
    session = told(ExampleRetriever("enc", self_hit="keep"), 3, 7)
    mean = torch.nn.functional.normalize(GALLERY.vectors[3] + GALLERY.vectors[7], dim=0)
    turn = session.show()
    expected = -(GALLERY.vectors[turn.shown[0]] - mean).square().sum(1).double()
    assert torch.allclose(turn.scores[0], expected, atol=1e-5)


def test_the_best_of_two_examples_is_the_nearer_one():
    turn = told(ExampleRetriever("enc", "best", "keep"), 3, 6).show()
    distance = torch.cdist(GALLERY.vectors[[3, 6]].double(), GALLERY.vectors.double()).square().amin(0)
    assert torch.allclose(turn.scores[0], -distance[turn.shown[0]], atol=1e-6)


def test_not_this_person_takes_that_face_away_and_no_other():
    session = told(ExampleRetriever("enc"), 3)
    before = session.show().shown[0].tolist()
    after = session.tell(wrong(before[0], before[2])).shown[0].tolist()
    kept = [place for place in before if place not in (before[0], before[2], 3)]
    assert after[: len(kept)] == kept


def test_a_judgement_of_0_says_nothing():
    session = told(ExampleRetriever("enc"), 3)
    before = session.show().shown
    silent = RelevanceReply(before[:, :4], torch.zeros(1, 4, dtype=torch.int8))
    assert torch.equal(session.tell(silent).shown, before)


def test_before_any_example_all_faces_are_alike():
    ranks = Session(ExampleRetriever("enc"), GALLERY, ONE, watched=ONE).show().ranks
    assert ranks is not None and (int(ranks.best[0]), int(ranks.worst[0])) == (1, len(GALLERY))


@pytest.mark.parametrize("combine", ["mean", "best", "first"])
@pytest.mark.parametrize("self_hit", ["leave_out", "keep"])
def test_an_index_finds_the_pages_of_an_exact_search(combine, self_hit):
    retriever = ExampleRetriever("enc", combine, self_hit)
    replies = [
        ImageReply(("x",), GALLERY.vectors[3:4]),
        RelevanceReply(torch.tensor([[2, 4]]), torch.tensor([[-1, -1]], dtype=torch.int8)),
        ImageReply(("y",), GALLERY.vectors[1:2] + 0.1),
    ]
    exact, found = (Session(retriever, GALLERY, ONE, 4, index=index) for index in (None, ExactIndex(GALLERY)))
    assert torch.equal(found.show().shown, exact.show().shown)
    for reply in replies:
        assert torch.equal(found.tell(reply).shown, exact.tell(reply).shown)
        assert torch.equal(found.show().scores, exact.show().scores)


def test_an_index_of_other_vectors_is_refused_where_several_examples_are_scored():
    retriever = ExampleRetriever("enc", "best")
    other = replace(GALLERY, vectors=GALLERY.vectors + 1)
    with pytest.raises(ValueError, match="holds other vectors"):
        Session(retriever, GALLERY, ONE, 4, index=ExactIndex(other)).show()


def test_a_saved_retriever_searches_alike(tmp_path: Path):
    save_pretrained(ExampleRetriever("enc", "best", "keep"), tmp_path)
    read = ExampleRetriever.from_pretrained(str(tmp_path))
    assert (read.fingerprint, read.combine, read.self_hit) == ("enc", "best", "keep")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (TextReply(("her",)), "example images and dislikes, not TextReply"),
        (ImageReply(("x",), torch.ones(1, 7)), "gallery of 8 dimensions"),
        (ImageReply(("x",), torch.zeros(1, 8)), "example 'x' is zero"),
        (ImageReply(("x",), torch.full((1, 8), torch.nan)), "example 'x' is zero or not finite"),
        (RelevanceReply(ONE[None], torch.ones(1, 1, dtype=torch.int8)), "takes no likes"),
        (wrong(16), "outside the gallery"),
        (RelevanceReply(torch.zeros(2, 1).long(), torch.zeros(2, 1, dtype=torch.int8)), "one row a session"),
    ],
)
def test_a_reply_that_cannot_be_taken_is_refused(reply, said):
    with pytest.raises(ValueError, match=said):
        Session(ExampleRetriever("enc"), GALLERY, ONE).tell(reply)


def test_a_gallery_of_another_encoder_or_of_regions_is_refused():
    with pytest.raises(ValueError, match="was made by encoder 'enc', the retriever expects 'other'"):
        ExampleRetriever("other").start(1, GALLERY)
    regions = Regions(torch.randn(2, 3, 8), None, torch.ones(2, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="without regions"):
        ExampleRetriever("enc").start(1, Gallery.of(["a", "b"], regions, "enc", "s"))


def test_every_photo_is_the_first_example_once():
    assert sorted(ALBUM.photo(MATED, 1).tolist()) == MATED.tolist()


def test_examples_are_other_photos_of_the_person_and_never_the_target():
    for number in range(1, 7):
        given = ALBUM.photo(MATED, number)
        assert torch.equal(ALBUM.person[given], ALBUM.person[MATED])
        assert not bool((given == MATED).any())


def test_who_has_no_more_photos_gives_the_first_again():
    two = [place for place, name in enumerate(PERSON) if name == "b"]
    target = torch.tensor(two)
    assert torch.equal(ALBUM.photo(target, 2), ALBUM.photo(target, 1))
    most = torch.tensor([0])  # of six photos
    assert len({int(ALBUM.photo(most, number)[0]) for number in range(1, 6)}) == 5


def test_a_person_with_one_photo_cannot_be_looked_for():
    with pytest.raises(ValueError, match=r"is the only photo of a: .* look for people with two or more"):
        ExampleUser(GALLERY, ALBUM, ["example"]).reply(Session(ExampleRetriever("enc"), GALLERY, ONE).show(), ONE + 6)


def test_the_user_calls_faces_of_other_people_wrong():
    user = ExampleUser(GALLERY, ALBUM, ["example", "wrong"])
    turns = list(play(Session(ExampleRetriever("enc"), GALLERY, MATED, 6), user, MATED, 2))
    reply = turns[2].reply
    assert isinstance(reply, RelevanceReply)
    assert torch.equal(reply.liked == -1, ALBUM.person[reply.judged] != ALBUM.person[MATED][:, None])
    assert torch.equal(reply.judged, turns[1].shown)


def test_measures_count_the_other_photos_that_were_not_given():
    # One person's three photos at 0, 1 and 9; a stranger at 2 comes between.
    line = Gallery.of(["0", "1", "2", "9"], torch.tensor([[0.0, 1], [1, 1], [2, 1], [9, 1]]), "enc", "s")
    album, retriever = Album(["p", "p", "q", "p"]), ExampleRetriever("enc")
    session = Session(retriever, line, ONE)
    first = session.tell(ImageReply(("0",), line.vectors[:1]))
    values = list_measures(retriever, line, album, first, torch.tensor([3]))
    assert float(values["average_precision"][0]) == pytest.approx((1 + 2 / 3) / 2)
    assert (float(values["hit@1"][0]), float(values["r_precision"][0])) == (1, 0.5)
    second = session.tell(ImageReply(("1",), line.vectors[1:2]))
    values = list_measures(retriever, line, album, second, torch.tensor([3]))
    assert (float(values["average_precision"][0]), float(values["hit@1"][0]), float(values["hit@5"][0])) == (0.5, 0, 1)


def test_with_the_query_kept_its_hit_counts():
    retriever = ExampleRetriever("enc", self_hit="keep")
    turn = Session(retriever, GALLERY, MATED).tell(
        ImageReply(tuple(GALLERY.ids[i] for i in MATED), GALLERY.vectors[MATED])
    )
    assert float(list_measures(retriever, GALLERY, ALBUM, turn, MATED)["hit@1"].mean()) == 1


@pytest.mark.parametrize("says", [[], ["wrong"], ["nothing", "example"]])
def test_a_user_who_does_not_begin_with_an_example_is_refused(says):
    with pytest.raises(ValueError, match="says begins with 'example'"):
        ExampleSettings(says=says)


def test_lfw_needs_an_encoder_that_is_trained_already():
    with pytest.raises(ValueError, match=r"set embedder\.kind to encoder"):
        ReverseSearchSettings(PeopleSettings(root="lfw"))
