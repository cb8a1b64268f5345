"""Build an e-mail: plain text and HTML, with the headers that say it is a machine's, and small files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from urllib.parse import quote

from services.scheduler.channels.content import Content
from services.scheduler.channels.writing import write_html, write_plain


@dataclass(frozen=True)
class Attachment:
    """A file of an e-mail."""

    name: str
    content_type: str
    data: bytes


@dataclass(frozen=True)
class Envelope:
    """Who gets an e-mail, from whom, and its id, which is the same at every attempt."""

    sender: str
    to: Sequence[str]
    message_id: str
    channel: str
    made_at: datetime


def build_mail(content: Content, envelope: Envelope, attachments: Sequence[Attachment] = ()) -> EmailMessage:
    """Return the e-mail. The recipients are not told of each other."""
    mail = EmailMessage(policy=SMTP)
    domain = envelope.sender.rpartition("@")[2]
    mail["Subject"] = content.title
    mail["From"] = Address("Uptill", addr_spec=envelope.sender)
    mail["To"] = "undisclosed-recipients:;" if len(envelope.to) > 1 else envelope.to[0]
    mail["Date"] = format_datetime(envelope.made_at)
    mail["Message-ID"] = f"<{envelope.message_id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    subject = quote(f"unsubscribe {envelope.channel}")
    mail["List-Id"] = f"<{envelope.channel}.uptill.{domain}>"
    mail["List-Unsubscribe"] = f"<mailto:{envelope.sender}?subject={subject}>"
    mail.set_content(write_plain(content), cte="quoted-printable")
    mail.add_alternative(write_html(content), subtype="html", cte="quoted-printable")
    for each in attachments:
        maintype, _, subtype = each.content_type.partition(";")[0].partition("/")
        mail.add_attachment(each.data, maintype=maintype, subtype=subtype, filename=each.name)
    return mail
