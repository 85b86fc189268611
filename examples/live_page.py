"""The server of the live pages, ``live_gan.py`` and ``explore_latent.py``.

A page is a document of Bokeh, whose server sends changes of the plots to the browser, and of the widgets back, so a
page is written in Python alone. The server listens on this machine only (127.0.0.1) and accepts connections from its
own pages only. Each tab has a document of its own, which ends a few seconds after the tab is closed. Requests name no
files: the query of an address contains the values of widgets, which are checked as an option of a command is.
"""

import argparse
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from tinygen.console import say
from tinygen.training import refusing
from tinygen.training.options import whole

try:
    from bokeh.application import Application
    from bokeh.application.handlers.function import FunctionHandler
    from bokeh.document import Document
    from bokeh.layouts import column
    from bokeh.models import CustomJS, Div, LayoutDOM, Slider, Spinner
    from bokeh.server.server import Server
    from tornado.web import ErrorHandler
except ImportError as error:
    raise SystemExit(f'the live pages need Bokeh ({error}): pip install -e ".[live]"') from error

HOST = "127.0.0.1"
CLOSED = 3_000  # milliseconds after which the document of a closed tab ends
BOUNDS: dict[Any, tuple[str, str]] = {Slider: ("start", "end"), Spinner: ("low", "high")}  # attributes
DELAY = 300  # milliseconds from a change to the new address: browsers limit their number per second


class WrongAddress(ValueError):
    """The address of a page contains a value that the page cannot have."""


class Address:
    """The state of a page in its address: ``/?name=value&...`` for each of the widgets that it keeps."""

    def __init__(self, document: Document, query: dict[str, str]) -> None:
        self.document, self.query, self.widgets, self.is_late = document, query, dict[str, Any](), False
        self.link = Div(visible=False)  # part of the page, so that its changes reach the browser
        self.link.js_on_change("text", CustomJS(code="history.replaceState(null, '', this.text)"))

    def keep(self, **widgets: Any) -> None:
        """Set each of ``widgets`` (those with a value) to its value in the address, and from then on the address to its
        values. Raises ``WrongAddress`` for a value that the widget cannot have."""
        for name, widget in widgets.items():
            if name in self.query:
                widget.value = accepted(name, widget, self.query.pop(name))
            widget.on_change("value", lambda attribute, old, new: self.change())
        self.widgets |= widgets
        self.change()

    def change(self) -> None:
        """Write the address, after a short time, in which further changes are collected."""
        if not self.is_late:
            self.is_late = True
            self.document.add_timeout_callback(self._write, DELAY)

    def _write(self) -> None:
        self.is_late = False
        values = {name: widget.value for name, widget in self.widgets.items()}
        self.link.text = "/?" + urlencode({name: value for name, value in values.items() if value is not None})


def accepted(name: str, widget: Any, text: str) -> Any:
    """The value of ``widget`` that ``text`` of an address stands for; ``WrongAddress`` if it cannot have it."""
    if type(widget) in BOUNDS:
        low, high = (getattr(widget, bound) for bound in BOUNDS[type(widget)])
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        is_whole = widget.step == 1
        if not low <= value <= high or (is_whole and value % 1):
            kind = "a whole number" if is_whole else "a number"
            raise WrongAddress(f"{name} must be {kind} from {low:g} to {high:g}, got {text!r}")
        return int(value) if value == int(value) else value
    choices: Sequence[str] | None = getattr(widget, "options", None) or getattr(widget, "categories", None)
    if choices is not None and text not in choices:
        raise WrongAddress(f"{name} must be one of {', '.join(choices)}, got {text!r}")
    return text


Build = Callable[[Document, Address], LayoutDOM]  # the content of a new page


def page_arguments(description: str) -> argparse.ArgumentParser:
    """A parser of the options of a server; the page may add options to it."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=port, default=5006, metavar="N", help="of this machine (%(default)s)")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    return parser


def port(text: str) -> int:
    """The type of an option that is the number of a port."""
    number = whole(1)(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 65535, got {text!r}")
    return number


def serve(title: str, build: Build, options: argparse.Namespace) -> None:
    """Serve pages with the content that ``build`` returns until Ctrl-C. Where it raises ``WrongAddress`` the page is
    the error's sentence."""

    def begin(document: Document) -> None:
        document.title = title
        arguments = document.session_context.request.arguments
        query = {name: values[-1].decode(errors="replace") for name, values in arguments.items()}
        address = Address(document, query)
        try:
            content = build(document, address)
            if query:
                raise WrongAddress(
                    f"{', '.join(query)}: a page has no such setting; {', '.join(address.widgets)} it has"
                )
        except WrongAddress as error:
            content = Div(text=f"The address is not that of a page: {error}", render_as_text=True)
        document.add_root(column(content, address.link))

    with refusing():
        server = Server(
            {"/": Application(FunctionHandler(begin))},
            address=HOST,
            port=options.port,
            allow_websocket_origin=[f"{HOST}:{options.port}", f"localhost:{options.port}"],
            unused_session_lifetime_milliseconds=CLOSED,
            check_unused_sessions_milliseconds=CLOSED // 3,
        )
    logging.getLogger("bokeh.server.views.ws").setLevel(logging.ERROR)  # it warns of each tab that is closed
    # A page of a site whose name resolves to this machine (DNS rebinding) has that name as its host and its origin.
    server._tornado.add_handlers(rf"(?!({HOST}|localhost)$).*", [(r".*", ErrorHandler, {"status_code": 403})])
    say(f"{title}: http://{HOST}:{options.port}/  (Ctrl-C ends it)")
    if options.open:
        server.io_loop.add_callback(server.show, "/")
    server.run_until_shutdown()
