"""Write a message as plain text and as HTML. Everything from outside is escaped; the HTML loads nothing."""

from html import escape

from services.scheduler.channels.content import Content, Entry

# Mail programs drop style sheets, so styles are attributes.
_FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_PAGE = f"margin:0;padding:24px;background:#f4f5f7;color:#1c2128;{_FONT};font-size:15px;line-height:1.5"
_CARD = "max-width:640px;margin:0 auto 12px;padding:16px 20px;background:#ffffff;border:1px solid #dfe3e8;border-radius:8px"
_HEADING = "margin:0 0 8px;font-size:16px;line-height:1.35"
_NAME = "padding:3px 16px 3px 0;color:#57606a;vertical-align:top;white-space:nowrap;text-align:left;font-weight:400"
_VALUE = "padding:3px 0;vertical-align:top;overflow-wrap:anywhere"
_BUTTON = "display:inline-block;margin-top:12px;padding:7px 14px;background:#0b5cad;color:#ffffff;border-radius:6px;text-decoration:none"
_QUIET = "max-width:640px;margin:0 auto;padding:4px 2px;color:#57606a;font-size:13px;overflow-wrap:anywhere"


def write_plain(content: Content) -> str:
    """Return the message as plain text, without its title."""
    parts = [_plain_entry(entry) for entry in content.entries]
    return "\n\n".join([*parts, *filter(None, [content.more]), f"--\n{content.footer}"]) + "\n"


def write_html(content: Content) -> str:
    """Return the message as an HTML document."""
    cards = "\n".join(map(_html_entry, content.entries))
    more = f'<p style="{_QUIET}">{escape(content.more)}</p>\n' if content.more else ""
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{escape(content.title)}</title></head>\n'
        f'<body style="{_PAGE}">\n{cards}\n{more}<p style="{_QUIET}">{escape(content.footer)}</p>\n</body>\n</html>\n'
    )


def _plain_entry(entry: Entry) -> str:
    lines = [entry.heading, *(f"{name}: {value}" for name, value in entry.facts)]
    return "\n".join([*lines, *([entry.link] if entry.link else [])])


def _html_entry(entry: Entry) -> str:
    rows = "".join(
        f'<tr><th scope="row" style="{_NAME}">{escape(name)}</th><td style="{_VALUE}">{escape(value)}</td></tr>\n'
        for name, value in entry.facts
    )
    table = f'<table style="border-collapse:collapse">\n{rows}</table>\n' if rows else ""
    button = f'<a href="{escape(entry.link)}" style="{_BUTTON}">Show</a>\n' if entry.link else ""
    return (
        f'<div style="{_CARD}">\n<h1 style="{_HEADING}">{escape(entry.heading)}</h1>\n{table}{button}</div>'
    )
