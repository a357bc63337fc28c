"""Colours of the two themes where the style sheet cannot reach: inside charts."""

from dataclasses import dataclass

from starlette.requests import Request


@dataclass(frozen=True)
class Theme:
    """Chart colours that agree with ballast.css."""

    name: str
    text: str
    dim: str
    line: str
    panel: str
    ceiling: str
    metered: str
    exposure: str
    tokens: str
    latency: str
    event: str
    button: str

    @property
    def other(self) -> str:
        return "light" if self.name == "dark" else "dark"


DARK = Theme(
    name="dark",
    text="#d9dfe6",
    dim="#8b97a4",
    line="#27303a",
    panel="#151b21",
    ceiling="#e3a94d",
    metered="#57a8ea",
    exposure="#9a8be0",
    tokens="#55b98c",
    latency="#e08a6b",
    event="rgba(227,169,77,0.11)",
    button="#2b75b8",
)
LIGHT = Theme(
    name="light",
    text="#1b2329",
    dim="#5a6672",
    line="#dde2e7",
    panel="#ffffff",
    ceiling="#a86500",
    metered="#0f63b0",
    exposure="#6550b5",
    tokens="#1d7a50",
    latency="#b2502c",
    event="rgba(168,101,0,0.10)",
    button="#0f63b0",
)


def theme_of(request: Request) -> Theme:
    """The theme that the browser's cookie names; dark when it names none."""
    return LIGHT if request.cookies.get("ballast_theme") == "light" else DARK
