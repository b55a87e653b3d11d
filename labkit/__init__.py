"""The Serverless Image Processing Lab: the verbs that its notebooks use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from labkit.errors import LabError
from labkit.insight.burst import send_burst
from labkit.insight.cost import compare_with_instance, cost, cost_of_photos
from labkit.insight.doctor import doctor
from labkit.insight.grade import grade, grade_class
from labkit.insight.logs import read_logs, wait_for_logs
from labkit.insight.survey import queue_depths, survey
from labkit.insight.template import compare_template, export_template, lint_template
from labkit.insight.trace import trace
from labkit.lab import Lab, open_lab
from labkit.packages import build_package, inspect_package
from labkit.samples import sample, samples
from labkit.settings import FUNCTIONS, FunctionSettings
from labkit.show.calls import show_calls
from labkit.steps.catch_up import catch_up
from labkit.steps.clean_up import clean_up, inventory
from labkit.steps.environment import check_environment
from labkit.steps.functions import (
    add_trigger,
    check_functions,
    configure_function,
    create_function,
    create_functions,
    deploy_function,
    enable_trigger,
    set_description,
    set_handler,
    upload_code,
)
from labkit.steps.notification import (
    allow_s3_to_publish,
    check_notification,
    create_bucket,
    create_event_notification,
    try_without_policy,
)
from labkit.steps.queues import (
    allow_topic_to_send,
    check_queues,
    create_dead_letter_queue,
    create_queue,
    create_queues,
    subscribe_queue,
    subscribe_queues,
)
from labkit.steps.redrive import redrive, wait_for_dead_letters
from labkit.steps.roles import create_role, create_roles
from labkit.steps.send_again import send_again
from labkit.steps.topic import check_topic, create_topic
from labkit.steps.upload import create_ingest_folder, upload_photo, wait_for_results
from labkit.steps.validate import check_results, last_photo, list_results, read_results

if TYPE_CHECKING:
    from labkit.show.architecture import draw_lab
    from labkit.show.controls import choose_photo, pick_memory, send_event_again, view_logs, watch_queues
    from labkit.show.gallery import gallery
    from labkit.show.log_table import log_table
    from labkit.show.monitor import monitor
    from labkit.show.quiz import quiz
    from labkit.show.scale import draw_burst, draw_cost_of_memory
    from labkit.show.timeline import timeline

# Matplotlib and ipywidgets take longer to import than all the rest together: only when something is shown.
_SHOWN = {
    "choose_photo": "labkit.show.controls",
    "draw_burst": "labkit.show.scale",
    "draw_cost_of_memory": "labkit.show.scale",
    "draw_lab": "labkit.show.architecture",
    "gallery": "labkit.show.gallery",
    "log_table": "labkit.show.log_table",
    "monitor": "labkit.show.monitor",
    "pick_memory": "labkit.show.controls",
    "quiz": "labkit.show.quiz",
    "send_event_again": "labkit.show.controls",
    "timeline": "labkit.show.timeline",
    "view_logs": "labkit.show.controls",
    "watch_queues": "labkit.show.controls",
}


def __getattr__(name: str) -> Any:
    """The names that draw or control, imported at their first use."""
    if name in _SHOWN:
        return getattr(import_module(_SHOWN[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "FUNCTIONS",
    "FunctionSettings",
    "Lab",
    "LabError",
    "add_trigger",
    "allow_s3_to_publish",
    "allow_topic_to_send",
    "build_package",
    "catch_up",
    "check_environment",
    "check_functions",
    "check_notification",
    "check_queues",
    "check_results",
    "check_topic",
    "choose_photo",
    "clean_up",
    "compare_template",
    "compare_with_instance",
    "configure_function",
    "cost",
    "cost_of_photos",
    "create_bucket",
    "create_dead_letter_queue",
    "create_event_notification",
    "create_function",
    "create_functions",
    "create_ingest_folder",
    "create_queue",
    "create_queues",
    "create_role",
    "create_roles",
    "create_topic",
    "deploy_function",
    "doctor",
    "draw_burst",
    "draw_cost_of_memory",
    "draw_lab",
    "enable_trigger",
    "export_template",
    "gallery",
    "grade",
    "grade_class",
    "inspect_package",
    "inventory",
    "last_photo",
    "lint_template",
    "list_results",
    "log_table",
    "monitor",
    "open_lab",
    "pick_memory",
    "queue_depths",
    "quiz",
    "read_logs",
    "read_results",
    "redrive",
    "sample",
    "samples",
    "send_again",
    "send_burst",
    "send_event_again",
    "set_description",
    "set_handler",
    "show_calls",
    "subscribe_queue",
    "subscribe_queues",
    "survey",
    "timeline",
    "trace",
    "try_without_policy",
    "upload_code",
    "upload_photo",
    "view_logs",
    "wait_for_dead_letters",
    "wait_for_logs",
    "wait_for_results",
    "watch_queues",
]
