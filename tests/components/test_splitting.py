"""Splits follow from digests alone."""

import hashlib

import pytest

from components.audio_example_gen.splitting import Rule, make_rule


def assign(digests, *, eval_fraction):
    rule = make_rule(digests, eval_fraction=eval_fraction)
    return {digest: rule.splits_of(digest) for digest in digests}


def digests(n, *, salt=""):
    return [hashlib.sha256(f"{salt}{i}".encode()).hexdigest() for i in range(n)]


def test_adding_a_take_moves_no_other():
    before = assign(digests(200), eval_fraction=0.1)
    after = assign([*digests(3, salt="new"), *digests(200)], eval_fraction=0.1)
    assert {take: after[take] for take in before} == before


def test_the_order_of_takes_does_not_matter():
    there = assign(digests(50), eval_fraction=0.2)
    assert assign(digests(50)[::-1], eval_fraction=0.2) == there


@pytest.mark.parametrize("eval_fraction", [0.05, 0.1, 0.5])
def test_about_the_share_asked_for_is_held_out(eval_fraction):
    splits = assign(digests(2000), eval_fraction=eval_fraction)
    n_eval = sum(split == {"eval"} for split in splits.values())
    assert n_eval / 2000 == pytest.approx(eval_fraction, rel=0.2)
    assert all(len(split) == 1 for split in splits.values())


@pytest.mark.parametrize("n", range(2, 12))
@pytest.mark.parametrize("eval_fraction", [0.01, 0.5])
def test_two_takes_or_more_fill_both_splits(n, eval_fraction):
    for salt in "abcdef":
        splits = assign(digests(n, salt=salt), eval_fraction=eval_fraction)
        assert {frozenset(split) for split in splits.values()} == {
            frozenset({"train"}),
            frozenset({"eval"}),
        }


def test_a_lone_take_is_in_both_splits():
    (take,) = digests(1)
    assert assign([take], eval_fraction=0.1) == {take: {"train", "eval"}}


@pytest.mark.parametrize("n", [0, 1, 2, 3, 50])
@pytest.mark.parametrize("eval_fraction", [0.01, 0.1, 0.5])
def test_counts_of_several_workers_join_in_any_order(n, eval_fraction):
    found = digests(n)
    whole = make_rule(found, eval_fraction=eval_fraction)
    for cut in range(n + 1):
        one = make_rule(found[:cut], eval_fraction=eval_fraction)
        other = make_rule(found[cut:], eval_fraction=eval_fraction)
        assert one.joined(other) == other.joined(one) == whole
    assert whole.joined(Rule(eval_fraction)) == whole
