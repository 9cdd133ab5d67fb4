"""Mail to test with.

The SpamAssassin public corpus (6,046 real messages) when script/setup could
fetch it; else mail of our own that looks real, the same in every run."""

import base64
import json
import random
import tarfile
from email.utils import formatdate

from . import environment

REAL_COUNT = 6046
FIRST_DATE = 1_000_000_000
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Draft", "$Forwarded",
         "work", "Later", "$Junk")
WORDS = ("the mail daemon keeps both sides equal and never loses a message "
         "when somebody pulls the plug while two readers move the same folder "
         "grüße façade naïve Привет 日本語 résumé").split()


def archive():
    return environment.cache_directory() / "spam-assassin.tgz"


def is_real():
    return archive().exists()


def real_messages():
    """In the order of their names, LF line ends, no mbox `From ` line."""
    found = {}
    with tarfile.open(archive()) as tar:
        for member in tar:
            parts = member.name.split("/")
            if len(parts) == 4 and member.name.endswith(".json"):
                text = json.load(tar.extractfile(member))["text"]
                if text.startswith("From "):
                    text = text.partition("\n")[2]
                found[member.name] = text.encode().replace(b"\0", b"")
    return [found[name] for name in sorted(found)]


def sentence(random_source, count):
    return " ".join(random_source.choice(WORDS) for _ in range(count))


def generated_message(index):
    """One message of many kinds; `index` decides everything."""
    source = random.Random(index)
    date = FIRST_DATE + index * 977
    headers = [
        f"Return-Path: <user{index % 37}@example.org>",
        f"Received: from mx{index % 5}.example.org by mail.example.net;",
        f"\t{formatdate(date)}",
        f"From: User {index % 37} <user{index % 37}@example.org>",
        "To: me@example.net",
        f"Date: {formatdate(date)}",
    ]
    if index % 23:
        headers.append(f"Message-ID: <{index}.{source.random()}@example.org>")
    kind = index % 8
    subject = sentence(source, 5)
    packed = base64.b64encode(subject.encode()).decode()
    headers.append(f"Subject: =?utf-8?B?{packed}?=")
    if kind == 0:
        body = ""
    elif kind == 1:
        body = "x" * source.randrange(1000, 9000) + "\n"
    elif kind == 2:
        return attachment(headers, source)
    else:
        headers.append("Content-Type: text/plain; charset=utf-8")
        lines = [sentence(source, source.randrange(1, 15))
                 for _ in range(source.randrange(3, 80))]
        body = "\n".join(lines) + ("\n" if index % 11 else "")
    message = ("\n".join(headers) + "\n\n" + body).encode()
    if kind == 7:
        message = message.replace("ü".encode(), b"\xfc")
    return message


def attachment(headers, source):
    data = base64.encodebytes(source.randbytes(source.randrange(200, 60000)))
    headers += ["MIME-Version: 1.0",
                'Content-Type: multipart/mixed; boundary="=_b"']
    text = "\n".join(headers) + "\n\n--=_b\nContent-Type: text/plain\n\n"
    text += sentence(source, 40) + "\n--=_b\n"
    text += "Content-Type: application/octet-stream\n"
    text += "Content-Transfer-Encoding: base64\n\n"
    return text.encode() + data + b"--=_b--\n"


def generated_messages(count):
    """Every hundredth is a duplicate of an earlier one."""
    return [generated_message(index // 2 if index % 100 == 99 else index)
            for index in range(count)]


def messages(count=REAL_COUNT):
    """`count` messages as bytes with LF line ends."""
    found = real_messages() if is_real() else generated_messages(count)
    while len(found) < count:
        found += generated_messages(count - len(found))
    return found[:count]


def to_wire(message):
    return message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def flags_of(index):
    source = random.Random(f"flags {index}")
    if source.random() < 0.3:
        return ()
    return tuple(flag for flag in FLAGS if source.random() < 0.25)


def date_of(index):
    return FIRST_DATE + index * 977


def load(imap, mailbox, found, first=0):
    """Fills a mailbox, flags and dates varied. Returns the seconds taken."""
    imap.append_many(mailbox, [
        (to_wire(message), flags_of(first + index), date_of(first + index))
        for index, message in enumerate(found)])


def small_message(name, text="", size=0):
    """A message that a test can recognise, with LF line ends."""
    body = (text or f"This is {name}.") + "\n" + "x" * size
    return (f"From: a@example.org\nTo: b@example.org\nSubject: {name}\n"
            f"Message-ID: <{name}@example.org>\n"
            f"Date: {formatdate(FIRST_DATE)}\n\n{body}\n").encode()
