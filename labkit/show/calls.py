"""What you just did: each call to AWS as a line of boto3, as a line for the AWS CLI, and where the console shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import quote

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import BashLexer, PythonLexer

from labkit.calls import Call, CallLog
from labkit.lab import Lab
from labkit.result import Result, html_text
from labkit.show.call_lines import as_boto3, as_cli
from labkit.terminal import printable

READS = ("Get", "List", "Describe", "Head", "Filter", "Receive")
# The colours of JupyterLab's and Notebook's editors where they are known, else those of the report, by light or dark.
CODE_STYLE = "".join(
    f".labkit-code [class^=labkit-{kind}]{{color:var(--jp-mirror-editor-{name}-color,light-dark({light},{dark}))}}"
    for kind, name, light, dark in (
        ("s", "string", "#17602f", "#8fd6a5"),
        ("k", "keyword", "#7a1f7a", "#e3a3e3"),
        ("m", "number", "#8a3b00", "#ffb27a"),
    )
)
# A page's own rules would break an ARN anywhere; here, and nowhere inside a word, a line may break.
BREAKS = re.compile(r"[/:,](?=[^<>]*(?:<|$))")
# Made once: it takes longer to make them than to use them.
PYTHON, CLI, FORMATTER = PythonLexer(), BashLexer(), HtmlFormatter(nowrap=True, classprefix="labkit-")
CODE_LOOKS = "white-space:pre-wrap;word-break:normal;overflow-wrap:normal;overflow-x:auto"


@dataclass(frozen=True)
class Calls(Result):
    """Calls in their order; the same call made several times in a row is shown once."""

    calls: tuple[tuple[Call, int], ...]  # the call, and how often in a row
    region: str = ""
    endpoint_url: str | None = None
    real: bool = False  # on a real account, so that links into the console lead somewhere

    def sentence(self) -> str:
        """How many calls there were."""
        if not self.calls:
            return "No such call was made in this session: what was asked for was there already."
        count = sum(times for _, times in self.calls)
        return f"{count} call{'' if count == 1 else 's'} to AWS, as boto3 and as the AWS CLI would make them." + (
            f" (The CLI needs --endpoint-url {self.endpoint_url} to reach this AWS.)" if self.endpoint_url else ""
        )

    def headers(self) -> Sequence[str]:
        """One row a call."""
        return ("call", "boto3", "AWS CLI", "in the console", "AWS answered")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a call."""
        for call, times in self.calls:
            page, _ = console_page(call, self.region)
            yield _title(call, times), as_boto3(call), as_cli(call), page, _answer(call)

    def _text(self) -> str:
        parts = [
            "\n  ".join(
                [
                    f"{title}: {answer}",
                    *("Python:", *_indented(boto3), "AWS CLI:", *_indented(cli)),
                    f"In the console: {page}",
                ]
            )
            for title, boto3, cli, page, answer in self.rows()
        ]
        return "\n\n".join([self.sentence(), *parts])

    def _html(self) -> str:
        """The first call of each operation is open, those like it can be opened."""
        seen: set[str] = set()
        html = [f"<style>{CODE_STYLE}</style><p>{html_text(self.sentence())}</p>"]
        for call, times in self.calls:
            html.append(self._call_html(call, times, first=call.operation not in seen))
            seen.add(call.operation)
        return "".join(html)

    def _call_html(self, call: Call, times: int, *, first: bool) -> str:
        page, url = console_page(call, self.region)
        where = f'<a href="{html_text(url)}">{html_text(page)}</a>' if url and self.real else html_text(page)
        said = f"{html_text(f'{_title(call, times)}: {_answer(call)}')}. In the console: {where}"
        python, cli = _code("Python", as_boto3(call), PYTHON), _code("AWS CLI", as_cli(call), CLI)
        return f"<details{' open' if first else ''}><summary>{said}</summary>{python}{cli}</details>"


def _code(title: str, lines: str, lexer: Lexer) -> str:
    coloured = highlight(printable(lines), lexer, FORMATTER)
    coloured = BREAKS.sub(r"\g<0><wbr>", coloured)
    return f'<p style="margin:0"><b>{title}:</b></p><pre class="labkit-code" style="{CODE_LOOKS}">{coloured}</pre>'


def _indented(lines: object) -> list[str]:
    return [f"  {line}" for line in str(lines).split("\n")]


def show_calls(
    source: Lab | CallLog | Iterable[Call], *, operations: Sequence[str] | None = None, since: int = 0
) -> Calls:
    """The calls that a lab's session made: those named in `operations`, else all that changed something.

    `since` is what `lab.connection.calls.total` was at the beginning. Shown are calls of this session alone.
    """
    log = source.connection.calls if isinstance(source, Lab) else source
    calls = log.since(since) if isinstance(log, CallLog) else tuple(log)
    wanted = [call for call in calls if _is_wanted(call, operations)]
    counted = tuple((call, times) for call, times in _counted(wanted))
    if not isinstance(source, Lab):
        return Calls(counted)
    at = source.connection
    return Calls(counted, at.region, at.endpoint_url, real=at.where == "aws")


def console_page(call: Call, region: str) -> tuple[str, str]:
    """Where the console shows what the call is about: the way there in words, and the address (may be empty)."""
    p = call.parameters
    home = f"https://{region}.console.aws.amazon.com"
    match call.service:
        case "sns":
            arn = str(p.get("TopicArn", p.get("ResourceArn", "")))
            name = arn.rsplit(":", 1)[-1] or p.get("Name", "")
            page = f"{home}/sns/v3/home?region={region}#/topic{'/' + arn if arn else 's'}"
            return _way("Amazon SNS", "Topics", name), page
        case "sqs":
            url = str(p.get("QueueUrl", ""))
            name = url.rsplit("/", 1)[-1] or p.get("QueueName", "")
            page = f"{home}/sqs/v3/home?region={region}#/queues{'/' + quote(url, safe='') if url else ''}"
            return _way("Amazon SQS", "Queues", name), page
        case "s3":
            tab = _s3_tab(call.operation)
            page = f"https://s3.console.aws.amazon.com/s3/buckets/{p.get('Bucket', '')}?region={region}&tab={tab}"
            return _way("Amazon S3", "Buckets", p.get("Bucket", ""), tab.capitalize()), page
        case "lambda":
            name = str(p.get("FunctionName", ""))
            page = f"{home}/lambda/home?region={region}#/functions{'/' + name if name else ''}"
            tab = "Configuration > Triggers" if "EventSource" in call.operation else "Code"
            return _way("AWS Lambda", "Functions", name, tab), page
        case "iam":
            name = str(p.get("RoleName", ""))
            return _way("IAM", "Roles", name), f"https://console.aws.amazon.com/iam/home#/roles/{name}"
        case "logs":
            name = str(p.get("logGroupName", ""))
            page = f"{home}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{quote(quote(name, safe=''))}"
            return _way("CloudWatch", "Log groups", name), page
    return "the console has no page for it", ""


def _s3_tab(operation: str) -> str:
    if "Notification" in operation or "Tagging" in operation or "Encryption" in operation:
        return "properties"
    permissions = ("Policy", "PublicAccess", "Ownership", "Acl")
    return "permissions" if any(word in operation for word in permissions) else "objects"


def _way(*steps: object) -> str:
    return " > ".join(str(step) for step in steps if step)


def _is_wanted(call: Call, operations: Sequence[str] | None) -> bool:
    return call.operation in operations if operations is not None else not call.operation.startswith(READS)


def _counted(calls: Sequence[Call]) -> Iterator[tuple[Call, int]]:
    for _, same in groupby(calls, key=lambda c: (c.service, c.operation, c.parameters, c.error)):
        first, *rest = same
        yield first, 1 + len(rest)


def _title(call: Call, times: int) -> str:
    return f"{call.service} {call.operation}{f' ({times} times)' if times > 1 else ''}"


def _answer(call: Call) -> str:
    if call.error:
        return f"AWS refused with {call.error}"
    return "done" if call.done else "no answer"
