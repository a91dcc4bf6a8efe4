#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The states, events and legal steps in states.pml are those of managers/processor/pcache: neither can change alone."""

import os
import re

HERE = os.path.dirname(os.path.realpath(__file__))
PCACHE = os.path.join(HERE, "../../managers/processor/pcache")


def read(path):
    return open(path).read()


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def code_list(text, name):
    """Names in an X-macro list of pcache.h, but for ILLEGAL."""
    match = re.search(r"#define %s\(X\)((?:.*\\\n)*.*\n)" % name, without_comments(text))
    if not match:
        raise AssertionError("pcache.h has no list %s" % name)
    return set(re.findall(r"X\((\w+)\)", match.group(1))) - {"ILLEGAL"}


def code_table(text, kind):
    """{(state, event, next)} of the table in state.c"""
    match = re.search(r"%s_next\[.*?\]\[.*?\] = \{(.*?)\n\};" % kind, without_comments(text), re.S)
    if not match:
        raise AssertionError("state.c has no table %s_next" % kind)
    big, steps, state = kind.upper(), set(), None
    for token in re.finditer(r"\[%s_(\w+)\](?:\s*=\s*(?:%s_(\w+))?)" % (big, big), match.group(1)):
        name, following = token.groups()
        if name.startswith("EV_"):
            steps.add((state, name[3:], following))
        else:
            state = name
    return steps


def model_lists(text, kind):
    names = re.findall(r"^#define %s_(\w+)\t" % kind.upper(), text, re.M)
    events = {n[3:] for n in names if n.startswith("EV_")}
    return {n for n in names if not n.startswith("EV_")}, events


def model_table(text, kind):
    big = kind.upper()
    return set(re.findall(r":: %s_state\[\w\] == %s_(\w+) && ev == %s_EV_(\w+) -> %s_state\[\w\] = %s_(\w+)$"
                          % (kind, big, big, kind, big), text, re.M))


def same(what, code, model):
    if code != model or not code:
        raise AssertionError("%s: only in the code: %s; only in the model: %s"
                             % (what, sorted(code - model), sorted(model - code)))


def compare(header, table, model):
    for kind in ("line", "victim"):
        states, events = model_lists(model, kind)
        same(kind + " states", code_list(header, kind.upper() + "_STATES"), states)
        same(kind + " events", code_list(header, kind.upper() + "_EVENTS"), events)
        same(kind + " steps", code_table(table, kind), model_table(model, kind))


def check():
    header, table = read(PCACHE + "/pcache.h"), read(PCACHE + "/state.c")
    model = read(HERE + "/states.pml")
    try:
        compare(header, table, model)
    except AssertionError as error:
        raise OSError(str(error))
    # and the comparison does see a difference
    for changed in (table.replace("[LINE_EV_VOID] = LINE_FREE", "[LINE_EV_VOID] = LINE_MAPPED"),
                    table.replace("[LINE_EV_CLEANED_IDLE] = LINE_IDLE", "[LINE_EV_CLEANED_IDLE] = LINE_MAPPED"),
                    table.replace("[VICTIM_EV_DROP] = VICTIM_FREE, ", "")):
        try:
            compare(header, changed, model)
        except AssertionError:
            continue
        raise OSError("a changed table is not noticed")
    return "same as in pcache.h and state.c"


if __name__ == "__main__":
    print(check())
