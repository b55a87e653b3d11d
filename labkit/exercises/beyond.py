"""Judges of what a student makes beyond the story: a function of one's own, and an alarm on a rate."""

from __future__ import annotations

import ast
import json
import operator
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from labkit.exercises.wrong import NotFilledIn, Unjudged, Wrong, require
from labkit.lab import Lab
from labkit.samples import sample
from labkit.settings import INGEST_FOLDER
from labkit.workbook import LAMBDA_PACKAGES

GREY = "CreateGreyImage"
BOX, FITS = 800, (800, 533)  # what a picture of 2880 x 1920 becomes
PROBED_ON, WITHIN_S = "AWS.jpg", 60
# The student's code is tried in a process of its own, as Lambda does. What it says is a line of JSON.
PROBE = """
import importlib, json, sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
sys.stdout = sys.stderr  # what the code prints is nothing that it says of itself
module = importlib.import_module(sys.argv[3])
rule = module.RULE
blank = next((name for name, value in [("RULE", rule), *getattr(rule, "__dict__", {}).items()] if value is ...), None)
if blank:
    print(json.dumps({"blank": blank}), file=sys.__stdout__)
    sys.exit()
from PIL import Image
from image import resize
picture = Image.open(resize(Path(sys.argv[4]).read_bytes(), rule.size, rule.finish).jpeg)
told = {"function": rule.function, "folder": rule.folder, "label": rule.label}
told |= {"size": picture.size, "mode": picture.mode}
told["answer"] = module.handler({}, None)
print(json.dumps(told), file=sys.__stdout__)
"""
# Of the queue that the alarm is about: what is received and deleted in a minute, and so how much fails.
RECEIVED, DELETED, RATE = 200, 60, 70
FIGURES = {"NumberOfMessagesReceived": RECEIVED, "NumberOfMessagesDeleted": DELETED}
WATCHED, THRESHOLD = "CreateThumbnail", 50
OPERATORS: Mapping[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def function_of_ones_own(lab: Lab, folder: Any) -> str:  # noqa: ARG001
    """The code of CreateGreyImage in a folder, tried on a photo: where its result goes, and what that looks like."""
    path = Path(str(folder)) / f"{GREY}.py"
    require(path.is_file(), f"There is no file {path.name} in {folder}: run the cell that writes it.")
    told = _probe(path)
    if "blank" in told:
        raise NotFilledIn(f"The blank `{told['blank']}` in {path.name} is not filled in yet.")
    where, label = str(told["folder"]), str(told["label"])
    loop = f"Each result would be a new photo under `{INGEST_FOLDER}`, with results of its own, and so on for ever."
    require(not where.startswith(INGEST_FOLDER), loop)
    beside = f"The result of `cat.jpg` would be called `{where}{label}cat.jpg`: a folder's name ends in a slash."
    require(where.endswith("/"), beside)
    elsewhere = (
        f"The result of `cat.jpg` would be `{where}{label}cat.jpg`, and the lab looks for `grey/GreyImage-cat.jpg`."
    )
    require((where, label) == ("grey/", "GreyImage-"), elsewhere)
    width, height = told["size"]
    require((width, height) == FITS, f"A picture of 2880 x 1920 comes out with {width} x {height}, not 800 x 533.")
    colour = "The picture comes out in colour: what `finish` returns is kept, and what it is given is not."
    require(told["mode"] == "L", colour)
    signed = f"Its log and its results would say that {told['function']} made them, and not {GREY}."
    require(told["function"] == GREY, signed)
    silent = "The handler returns nothing. Lambda would take every message for handled, and delete those that failed."
    require(told["answer"] is not None, silent)
    return f"A picture of 2880 x 1920 comes out grey, with {width} x {height} pixels, under `{where}`."


def _probe(path: Path) -> dict[str, Any]:
    """What the code says of itself and does. Raises Wrong with the error if it fails."""
    command = [sys.executable, "-c", PROBE, str(path.parent), str(LAMBDA_PACKAGES / "shared"), path.stem]
    try:
        done = subprocess.run(  # noqa: S603
            [*command, str(sample(PROBED_ON))], capture_output=True, text=True, check=False, timeout=WITHIN_S
        )
    except subprocess.TimeoutExpired:
        raise Wrong(
            f"It does not come to an end: Lambda would stop it, and so did the lab, after {WITHIN_S} s."
        ) from None
    if done.returncode:
        error = done.stderr.strip().splitlines()[-1]
        raise Wrong(f"Every message would end in the dead letters: {error}.")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def failure_rate(lab: Lab, name: Any) -> str:
    """An alarm on how many of a hundred tries fail in the thumbnails' queue, by metric math.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
    """
    cloudwatch = lab.client("cloudwatch")
    found = cloudwatch.describe_alarms(AlarmNames=[str(name)])["MetricAlarms"]
    require(found, f"There is no alarm {name}.")
    (alarm,) = found
    tags = cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
    untagged = "It does not carry the lab's tags: clean-up would take it for someone else's, and leave it."
    require({"Key": "Lab", "Value": lab.definition.lab_id} in tags, untagged)
    queries = alarm.get("Metrics", [])
    if not queries and not alarm.get("MetricName"):
        raise Unjudged("What answers here keeps no expression of an alarm, so that there is nothing to judge.")
    require(queries, f"It watches {alarm.get('MetricName')} alone: a rate needs two metrics and an expression.")
    _rate(_value(lab, queries))
    compares, threshold = alarm["ComparisonOperator"], alarm["Threshold"]
    require("Less" not in compares, "It rings as long as all is well, and falls silent when tries fail.")
    require(threshold == THRESHOLD, f"It rings from {threshold:g} on, and was to ring from {THRESHOLD} on.")
    silent = "At exactly 50 it stays silent: from 50 on is `GreaterThanOrEqualToThreshold`."
    require(compares == "GreaterThanOrEqualToThreshold", silent)
    return f"Of {RECEIVED} messages received and {DELETED} deleted it makes {RATE}, and rings."


def _rate(value: float) -> None:
    """Raise Wrong for what is not the rate of failures, told by what it would be."""
    of = f"Of {RECEIVED} messages received and {DELETED} deleted it makes {value:g}"
    told = {
        100.0 - RATE: "that is how many go well, and the alarm would ring while nothing fails.",
        RATE / 100: "a share between 0 and 1, which never comes to 50.",
        -float(RATE): "it falls when more tries fail, and never comes to 50.",
        float(RECEIVED - DELETED): "that is a count, and not a rate: on a busy day it rings without need.",
    }
    require(value == RATE, f"{of}: {told.get(value, f'the rate of failures is {RATE}.')}")


def _value(lab: Lab, queries: list[dict[str, Any]]) -> float:
    """What the queries' expression comes to, if the queue's messages are received and deleted as in FIGURES."""
    queue, values = lab.branch(WATCHED).queue_name, {}
    for one in queries:
        if stat := one.get("MetricStat"):
            metric = stat["Metric"]
            of = {each["Name"]: each["Value"] for each in metric.get("Dimensions", [])}
            require(of == {"QueueName": queue}, f"It watches {', '.join(of.values()) or 'no queue'}, and not {queue}.")
            counted = f"{stat['Stat']} of {metric['MetricName']} is not how many there were: take the Sum."
            require(stat["Stat"] == "Sum", counted)
            about = f"{metric['MetricName']} does not say how many were received, or deleted."
            require(metric["MetricName"] in FIGURES, about)
            values[one["Id"]] = float(FIGURES[metric["MetricName"]])
    expression = next((one["Expression"] for one in queries if one.get("ReturnData", True) and "Expression" in one), "")
    require(expression, "No expression is what the alarm looks at: one query has it, and its data alone is returned.")
    try:
        return _computed(ast.parse(expression, mode="eval").body, values)
    except (KeyError, SyntaxError, ZeroDivisionError):
        raise Wrong(f"The lab can't work out `{expression}`: use the ids, numbers, and `+ - * /`.") from None


def _computed(node: ast.expr, values: Mapping[str, float]) -> float:
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            return OPERATORS[type(op)](_computed(left, values), _computed(right, values))
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return values[name]
    raise KeyError(ast.unparse(node))
