"""The public names of labkit, each loaded at its first use: the loader reads this file, and so do type checkers."""

from .errors import LabError
from .exercises.blanks import blank
from .exercises.check import check_exercise
from .exercises.mystery import PLACES, break_something, case_hint, close_case, name_fault
from .exercises.readings import example_message
from .exercises.score import score
from .exercises.texts import exercise
from .insight.alarm_states import wait_for_alarm
from .insight.burst import send_burst
from .insight.cost import compare_with_instance, cost, cost_of_photos
from .insight.dashboard import dashboard_body
from .insight.doctor import doctor
from .insight.grade import grade, grade_class, grade_folder
from .insight.hand_in import hand_in
from .insight.log_queries import query_logs
from .insight.logs import read_logs, wait_for_logs
from .insight.metrics import read_metrics, wait_for_metrics
from .insight.survey import queue_depths, survey
from .insight.template import compare_template, export_template, lint_template
from .insight.trace import trace
from .lab import Lab, open_lab, redefine_lab
from .packages import build_package, inspect_package
from .samples import list_samples, sample
from .settings import FUNCTIONS, FunctionSettings
from .show.begin import begin
from .show.calls import show_calls
from .show.certificate import certificate
from .show.code import compare_pictures, show_code
from .show.controls import choose_photo, pick_fault, pick_memory, send_event_again, view_logs, watch_queues
from .show.dashboard import draw_dashboard
from .show.gallery import gallery, show_photo
from .show.live import watch_pipeline
from .show.log_table import log_table
from .show.map import draw_lab
from .show.monitor import monitor
from .show.quiz import predict, quiz
from .show.scale import draw_burst, draw_cost_of_memory
from .show.timeline import timeline
from .show.trailer import play_trailer, trailer
from .steps.alarms import check_alarms, create_alarms
from .steps.catch_up import catch_up
from .steps.clean_up import clean_up, inventory
from .steps.code import change_code, try_code
from .steps.environment import check_environment
from .steps.functions import (
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
from .steps.notification import (
    allow_s3_to_publish,
    check_notification,
    create_bucket,
    create_event_notification,
    try_without_policy,
)
from .steps.queues import (
    allow_topic_to_send,
    check_queues,
    create_dead_letter_queue,
    create_queue,
    create_queues,
    subscribe_queue,
    subscribe_queues,
)
from .steps.redrive import redrive, wait_for_dead_letters
from .steps.roles import create_role, create_roles
from .steps.send_again import send_again
from .steps.topic import check_topic, create_topic
from .steps.upload import create_ingest_folder, upload_photo, wait_for_results
from .steps.validate import check_results, last_photo, list_results, read_results

__version__: str

__all__ = [
    "FUNCTIONS",
    "PLACES",
    "FunctionSettings",
    "Lab",
    "LabError",
    "add_trigger",
    "allow_s3_to_publish",
    "allow_topic_to_send",
    "begin",
    "blank",
    "break_something",
    "build_package",
    "case_hint",
    "catch_up",
    "certificate",
    "change_code",
    "check_alarms",
    "check_environment",
    "check_exercise",
    "check_functions",
    "check_notification",
    "check_queues",
    "check_results",
    "check_topic",
    "choose_photo",
    "clean_up",
    "close_case",
    "compare_pictures",
    "compare_template",
    "compare_with_instance",
    "configure_function",
    "cost",
    "cost_of_photos",
    "create_alarms",
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
    "dashboard_body",
    "deploy_function",
    "doctor",
    "draw_burst",
    "draw_cost_of_memory",
    "draw_dashboard",
    "draw_lab",
    "enable_trigger",
    "example_message",
    "exercise",
    "export_template",
    "gallery",
    "grade",
    "grade_class",
    "grade_folder",
    "hand_in",
    "inspect_package",
    "inventory",
    "last_photo",
    "lint_template",
    "list_results",
    "list_samples",
    "log_table",
    "monitor",
    "name_fault",
    "open_lab",
    "pick_fault",
    "pick_memory",
    "play_trailer",
    "predict",
    "query_logs",
    "queue_depths",
    "quiz",
    "read_logs",
    "read_metrics",
    "read_results",
    "redefine_lab",
    "redrive",
    "sample",
    "score",
    "send_again",
    "send_burst",
    "send_event_again",
    "set_description",
    "set_handler",
    "show_calls",
    "show_code",
    "show_photo",
    "subscribe_queue",
    "subscribe_queues",
    "survey",
    "timeline",
    "trace",
    "trailer",
    "try_code",
    "try_without_policy",
    "upload_code",
    "upload_photo",
    "view_logs",
    "wait_for_alarm",
    "wait_for_dead_letters",
    "wait_for_logs",
    "wait_for_metrics",
    "wait_for_results",
    "watch_pipeline",
    "watch_queues",
]
