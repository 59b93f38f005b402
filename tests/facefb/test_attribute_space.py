"""Claims about search by attributes: the space, its queries and what fits them."""

import json

import pytest
import torch

from data_prep.faces import FaceSettings
from facefb.attribute_queries import AttributeQueries, SilentQueries, check_told, fitting, list_measures, read_query
from facefb.attribute_settings import AttributeSearchSettings, QuerySettings, SpaceSettings
from facefb.attribute_space import AttributeSpace
from facefb.matching import AttributeMatching
from facefb.settings import FeatureSettings
from multiturn.contracts import check_retriever, check_user
from multiturn.gallery import Gallery
from multiturn.replies import TextReply, WantedReply, reply_from_rows
from multiturn.session import Session, play
from multiturn.settings import TrainingSettings

NAMES, FACES, FEATURES = ["Male", "Smiling", "Young", "Bald", "Wearing_Hat", "Eyeglasses"], 60, 7
GENERATOR = torch.Generator().manual_seed(3)
ATTRIBUTES = (torch.randint(0, 2, (FACES, len(NAMES)), generator=GENERATOR) * 2 - 1).to(torch.int8)
GALLERY = Gallery.of([f"{i:02d}" for i in range(FACES)], torch.randn(FACES, FEATURES, generator=GENERATOR), "enc", "s")
TARGETS = torch.tensor([4, 50, 11])
QUERIES = AttributeQueries(ATTRIBUTES, [3, 4])


def space(hidden: int = 8, likelihood: float = 0.0) -> AttributeSpace:
    torch.manual_seed(0)
    dim = 5 + 2 * len(NAMES) if likelihood else 5
    return AttributeSpace(NAMES, "enc", FEATURES, dim, hidden, likelihood).eval()


@torch.no_grad()
def scores_of(one: AttributeSpace, wanted: torch.Tensor) -> torch.Tensor:
    state = one.start(len(wanted), GALLERY)
    return one.score(one.update(state, WantedReply(wanted), GALLERY), GALLERY).block(0, FACES)


@pytest.mark.parametrize("hidden", [0, 8])
@pytest.mark.parametrize("likelihood", [0.0, 0.1])
def test_the_space_keeps_a_retrievers_promises(hidden, likelihood):
    check_retriever(space(hidden, likelihood), GALLERY, QUERIES, TARGETS)


@torch.no_grad()
def test_a_unit_of_likelihood_counts_so_much_beside_the_cosine_that_is_learned():
    one, wanted = space(likelihood=0.3), QUERIES.wanted(torch.arange(3), TARGETS, 1)
    assert one.classify is not None
    learned = torch.nn.functional.cosine_similarity(
        one.queries(wanted)[:, None], one.images(GALLERY.vectors)[None], dim=2
    )
    classifier = AttributeMatching("likelihood")
    logits = Gallery.of(GALLERY.ids, one.classify(GALLERY.vectors), "logits", "s")
    told = classifier.update(classifier.start(3, logits), WantedReply(wanted), logits)
    likelihoods = classifier.score(told, logits).block(0, FACES)
    assert torch.allclose(scores_of(one, wanted), learned + 0.3 * likelihoods, atol=1e-5)


def test_the_likelihoods_are_a_part_of_the_space():
    assert space(likelihood=0.1).start(1, GALLERY).faces.shape == (FACES, 5 + 2 * len(NAMES))
    with pytest.raises(ValueError, match="likelihoods of 6 attributes take 12 of the 12 numbers; raise dim"):
        AttributeSpace(NAMES, "enc", FEATURES, 12, 8, 0.1)


@pytest.mark.parametrize("count", ["matches", "likelihood"])
def test_the_classifier_understands_wanted_attributes_too(count):
    logits = Gallery.of(GALLERY.ids, torch.randn(FACES, len(NAMES), generator=GENERATOR), "logits", "s")
    check_retriever(AttributeMatching(count), logits, QUERIES, TARGETS)


@pytest.mark.parametrize("user", [QUERIES, SilentQueries(len(NAMES))], ids=["queries", "silent"])
def test_users_keep_their_promises(user):
    check_user(user, GALLERY, TARGETS)


def test_what_was_told_stays_told_and_is_true():
    turns = list(play(Session(space(), GALLERY, TARGETS), QUERIES, TARGETS, 3))
    said = [turn.reply.wanted for turn in turns[1:]]  # pyright: ignore[reportOptionalMemberAccess,reportAttributeAccessIssue]
    assert [one.ne(0).sum(1).tolist() for one in said] == [[3] * 3, [4] * 3, [4] * 3]
    assert all(bool(((one == 0) | (one == ATTRIBUTES[TARGETS])).all()) for one in said)
    assert bool((said[1][said[0] != 0] != 0).all())


def test_an_attribute_can_be_added_withdrawn_and_negated():
    session = Session(space(), GALLERY, torch.zeros(1, dtype=torch.long), 5)
    told = [session.tell(WantedReply(torch.tensor([row], dtype=torch.int8))) for row in (
        [1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0], [-1, 0, 0, 0, 0, 0],
    )]  # fmt: skip
    pages = [turn.shown.tolist() for turn in told]
    assert pages[0] == pages[2] and pages[0] != pages[1] and pages[0] != pages[3]


def test_a_wanted_reply_survives_json():
    reply = WantedReply(torch.tensor([[1, -1, 0]], dtype=torch.int8))
    read = reply_from_rows(json.loads(json.dumps(reply.rows(GALLERY.ids))), {})
    assert isinstance(read, WantedReply) and torch.equal(read.wanted, reply.wanted)


def test_relevant_is_who_agrees_with_all_that_is_wanted():
    wanted = torch.zeros(1, len(NAMES), dtype=torch.int8)
    wanted[0, [0, 2]] = torch.tensor([1, -1], dtype=torch.int8)
    expected = (ATTRIBUTES[:, 0] == 1) & (ATTRIBUTES[:, 2] == -1)
    assert torch.equal(fitting(ATTRIBUTES, wanted)[0], expected)


def test_true_attributes_find_all_that_is_relevant_first_and_never_count_the_query_image():
    truth = Gallery.of(GALLERY.ids, ATTRIBUTES.float(), "true", "s")
    matching = AttributeMatching("matches")
    *_, last = play(Session(matching, truth, TARGETS, 10, watched=TARGETS), QUERIES, TARGETS, 1)
    measures = list_measures(matching, truth, QUERIES, last, TARGETS)
    others = fitting(ATTRIBUTES, QUERIES.wanted(TARGETS, TARGETS, 1)).sum(1) - 1
    assert measures["average_precision"].tolist() == pytest.approx([1.0] * 3)
    assert measures["prevalence"].tolist() == pytest.approx((others / (FACES - 1)).tolist())
    assert measures["P@10"].tolist() == pytest.approx((others.clamp(max=10) / 10).tolist())
    assert measures["lift@10"].tolist() == pytest.approx((measures["P@10"] / measures["prevalence"]).tolist())


def test_a_query_is_read_whatever_its_capitals_and_underscores():
    expected = [-1, 1, 0, 0, 1, 0]
    assert read_query("smiling, NOT male, wearing hat", NAMES).tolist() == expected
    assert read_query("Smiling,no Male, Wearing_Hat,", NAMES).tolist() == expected


def test_a_line_can_add_negate_and_withdraw_what_was_wanted_before():
    query = read_query("Male, Smiling", NAMES)
    assert read_query("also not Male, also Young", NAMES, query).tolist() == [-1, 1, 1, 0, 0, 0]
    assert read_query("Forget smiling", NAMES, query).tolist() == [1, 0, 0, 0, 0, 0]
    assert read_query("Young", NAMES, query).tolist() == [0, 0, 1, 0, 0, 0]
    assert query.tolist() == [1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "before", "message"),
    [
        ("also Young", None, "'also Young' changes a query, but none was asked before"),
        ("also Young, Bald", [1, 0, 0, 0, 0, 0], "half a new query and half a change"),
        ("forget Young", [1, 0, 0, 0, 0, 0], "nothing to forget: the query does not speak of Young"),
        ("also Young, forget Young", [1, 0, 0, 0, 0, 0], "says two things of Young"),
        ("forget Mole", [1, 0, 0, 0, 0, 0], "no attribute 'forget Mole'; did you mean Male"),
    ],
)
def test_a_change_that_cannot_be_made_says_why(text, before, message):
    wanted = None if before is None else torch.tensor(before, dtype=torch.int8)
    with pytest.raises(ValueError, match=message):
        read_query(text, NAMES, wanted)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Smilling", "no attribute 'Smilling'; did you mean Smiling"),
        ("not eye glasses", "did you mean Eyeglasses"),
        ("zebra", "known: Male, Smiling"),
        ("Male, not Male", "says two things of Male; leave one out"),
        (" , ", "names no attribute"),
    ],
)
def test_a_query_that_cannot_be_read_says_why(text, message):
    with pytest.raises(ValueError, match=message):
        read_query(text, NAMES)


def test_other_replies_and_other_numbers_of_attributes_are_refused():
    state = space().start(1, GALLERY)
    with pytest.raises(ValueError, match="understands wanted attributes, not TextReply"):
        space().update(state, TextReply(("smiling",)), GALLERY)
    with pytest.raises(ValueError, match="speaks of 2 attributes, the retriever knows 6"):
        space().update(state, WantedReply(torch.zeros(1, 2, dtype=torch.int8)), GALLERY)


def test_a_gallery_of_another_encoder_is_refused():
    with pytest.raises(ValueError, match="made by encoder 'other'"):
        space().start(1, Gallery.of(GALLERY.ids, GALLERY.vectors, "other", "s"))


@pytest.mark.parametrize("told", [[], [0], [3, 2], [7]])
def test_impossible_numbers_of_told_attributes_are_refused(told):
    with pytest.raises(ValueError, match="told says how many of the 6"):
        check_told(told, 6)


def test_settings_refuse_what_makes_no_sense():
    with pytest.raises(ValueError, match="never falls"):
        QuerySettings(told=[4, 3])
    with pytest.raises(ValueError, match="dim must be at least 1"):
        SpaceSettings(dim=0)
    with pytest.raises(ValueError, match="temperature must be above 0, not"):
        SpaceSettings(temperature=0.0)
    with pytest.raises(ValueError, match=r"likelihood must be at least 0, not -0\.1"):
        SpaceSettings(likelihood=-0.1)
    with pytest.raises(ValueError, match="most_told must be at least 1, not 0"):
        SpaceSettings(most_told=0)
    with pytest.raises(ValueError, match=r"share of the softmax loss, from 0 to 1, not 1\.5 of softmax"):
        SpaceSettings(loss="softmax", teacher=1.5)
    with pytest.raises(ValueError, match=r"share of the softmax loss, from 0 to 1, not 0\.5 of triplet"):
        SpaceSettings(teacher=0.5)


@pytest.mark.parametrize("likelihood", [0.0, 0.1])
def test_a_checkpoint_scores_the_same_to_the_last_bit(tmp_path, likelihood):
    before = space(likelihood=likelihood)
    before.save_pretrained(tmp_path)
    after = AttributeSpace.from_pretrained(tmp_path)
    assert torch.equal(scores_of(before, ATTRIBUTES[:2]), scores_of(after, ATTRIBUTES[:2]))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["untrained", "identities"])
def test_the_likelihoods_are_those_of_the_classifier_that_made_the_features_if_there_is_one(tmp_path, kind):
    training = TrainingSettings(epochs=1, batch_size=16)
    settings = AttributeSearchSettings(
        FaceSettings(count=60, size=32),
        FeatureSettings(kind=kind, channels=[8, 8, 8, 16], height=32, width=32, training=training),
        SpaceSettings(dim=81, likelihood=0.1),
    )
    task = settings.build(tmp_path)
    task.prepare()
    made, predictions = task.new_retriever(), task.features.predictions("test")
    assert (made.classify is None) == (predictions is None) == (kind == "identities")
    if made.classify is not None and predictions is not None:
        logits = made.classify(task.features.gallery("test").vectors)
        assert torch.allclose(logits, predictions.vectors, atol=1e-4)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (torch.zeros(2, 6, dtype=torch.int8), "2 rows of attributes for 1 sessions; give one row a session"),
        (torch.full((1, 6), 5, dtype=torch.int8), "wanted holds 5; a sign is"),
    ],
)
def test_a_reply_with_another_row_or_sign_is_refused(wanted, said):
    with pytest.raises(ValueError, match=said):
        space().update(space().start(1, GALLERY), WantedReply(wanted), GALLERY)
