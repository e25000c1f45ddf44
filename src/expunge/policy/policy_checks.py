"""What a policy file's entries say of each other, and of the datasets: every name leads somewhere, and no promise contradicts another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from expunge.policy.catalog import Problem
from expunge.policy.declared import Declared, dangling, empty_below, wrong
from expunge.policy.family import check_family
from expunge.policy.publishing import check_publishing
from expunge.policy.quantities import INDEFINITE, duration
from expunge.policy.reading import PathTo, dotted
from expunge.policy.taxonomy import default_uses, parent

CAPTURED = "captured_at"


def check_policy(names: Declared) -> list[Problem]:
    """Every problem of the policy file itself; its form was checked before."""
    return [problem for check in _CHECKS for problem in check(names)]


def _empty_keys(names: Declared) -> Iterator[Problem]:
    return empty_below(names.policy, ())


def _subjects(names: Declared) -> Iterator[Problem]:
    policy = names.policy
    for key in ("member_of", "guardian"):
        for path, kind in policy.texts("subjects", "*", key):
            if kind not in names.kinds:
                yield dangling(policy, path, "kind of subject", kind, names.kinds)
            elif kind == path[1]:
                yield wrong(policy, path, "leads to itself")
    keys: dict[str, str] = {}
    for path, identity in policy.texts("subjects", "*", "key"):
        if identity in keys:
            yield wrong(policy, path, f"{identity} is the key of {keys[identity]} already", "each kind has a key of its own")
        keys.setdefault(identity, str(path[1]))
    yield from _circles(names)


def _circles(names: Declared) -> Iterator[Problem]:
    above = {str(path[1]): kind for path, kind in names.policy.texts("subjects", "*", "member_of")}
    for kind in above:
        seen = [kind]
        while (higher := above.get(seen[-1])) and higher not in seen:
            seen.append(higher)
        if higher == kind and len(seen) > 1:
            yield wrong(names.policy, ("subjects", kind, "member_of"), f"goes in a circle: {' → '.join([*seen, kind])}")


def _purposes(names: Declared) -> Iterator[Problem]:
    for path, use in names.policy.texts("purposes", "*", "use"):
        if use not in default_uses():
            yield dangling(names.policy, path, "data use", use, default_uses())


def _categories(names: Declared) -> Iterator[Problem]:
    for path, category in names.policy.texts("categories"):
        if parent(category) not in names.categories:
            above = parent(category)
            what = f"data category {above}, above" if above else "root called"
            known = names.categories - {category} if above else frozenset(one for one in names.categories - {category} if not parent(one))
            yield dangling(names.policy, path, what, category, known)
    for pattern in (("terms", "*", "category"), ("access", "*", "what")):
        for path, category in names.policy.texts(*pattern):
            if category not in names.categories:
                yield dangling(names.policy, path, "data category", category, names.categories)


def _terms(names: Declared) -> Iterator[Problem]:
    policy = names.policy
    seen: dict[tuple[object, ...], int] = {}
    for path in policy.under(("terms",)):
        of, purpose, since = (policy.at((*path, key)) for key in ("of", "for", "from"))
        if isinstance(of, str) and of not in names.kinds:
            yield dangling(policy, (*path, "of"), "kind of subject", of, names.kinds)
        if isinstance(purpose, str) and purpose not in names.purposes:
            yield dangling(policy, (*path, "for"), "purpose", purpose, names.purposes)
        if isinstance(since, str) and since != CAPTURED and since not in names.addresses():
            yield dangling(policy, (*path, "from"), "field", since, [CAPTURED, *names.addresses()])
        if policy.at((*path, "keep")) == INDEFINITE and policy.at(("subjects", str(of), "minor")) is True:
            yield wrong(policy, (*path, "keep"), "a child's data may not be kept indefinitely", "write a length")
        whole = (of, policy.at((*path, "category")), purpose)
        if whole in seen:
            yield wrong(policy, path, f"says the same as terms[{seen[whole]}]: kind, category and purpose", "keep one of the two")
        seen.setdefault(whole, int(path[1]))


def _children(names: Declared) -> Iterator[Problem]:
    policy = names.policy
    if not isinstance(policy.at(("children",)), Mapping):
        return
    if names.kinds and all(policy.at(("subjects", kind, "minor")) in (None, False) for kind in names.kinds):
        yield wrong(policy, ("children",), "no kind of subject is a minor", "write minor: true at the children's kind")
    for path, address in policy.texts("children", "used_by"):
        if address not in names.addresses():
            yield dangling(policy, path, "field", address, names.addresses())
    try:
        notice, within = (duration(policy.at(("children", key))) for key in ("notice", "erase_within"))
    except ValueError:
        return
    if notice > within:
        yield wrong(policy, ("children", "notice"), "is longer than erase_within, so the end would come before the notice has run out")


def _stores(names: Declared) -> Iterator[Problem]:
    policy = names.policy
    listed: dict[str, PathTo] = {}
    for path, file in policy.texts("stores", "*", "datasets"):
        if file in listed:
            yield wrong(policy, path, f"{file} is listed by {dotted(listed[file])} already", "one dataset file describes one store")
        listed.setdefault(file, path)
    for name, kind in names.stores.items():
        delta = [key for key in ("path", "url") if policy.at(("stores", name, key)) is not None]
        if kind == "delta" and len(delta) != 1:
            yield wrong(policy, ("stores", name), "a delta store has a path or a url, one of the two")


def _quiet_stores(names: Declared) -> Iterator[Problem]:
    """A store that nothing is said about: read, and warned of."""
    for name in names.stores:
        if not any(one.startswith(f"{name}.") for one in names.collections):
            path: PathTo = ("stores", name)
            fix = f"`expunge discover {name}` proposes one"
            message = "lists no dataset with a collection, so nothing in it will be found"
            yield Problem("nothing-declared", dotted(path), message, fix, names.policy.mark(path), severity="warning")


def _places(names: Declared) -> Iterator[Problem]:
    """A place and a store under one name could not be told apart in a find."""
    for path in names.policy.under(("hunt", "places")):
        if path[-1] in names.stores:
            yield wrong(
                names.policy, path, f"{path[-1]} is a store already, and stores are always looked at", "give the place another name"
            )


def _traps(names: Declared) -> Iterator[Problem]:
    """Words that YAML reads as booleans where anything is allowed; ``minor`` is the one place where a boolean is meant."""
    for path, trap in names.policy.traps.items():
        if path[-1] != "minor":
            yield Problem("yaml-trap", dotted(path), trap, "quote it", names.policy.mark(path))


_CHECKS: tuple[Callable[[Declared], Iterator[Problem]], ...] = (
    _empty_keys,
    _subjects,
    _purposes,
    _categories,
    _terms,
    _children,
    _stores,
    _quiet_stores,
    _places,
    check_publishing,
    check_family,
    _traps,
)
