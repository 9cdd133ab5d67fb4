"""What the end-to-end tests, the demo and the benchmarks stand on.

    imap        a small IMAP client: the second device of the account
    maildir     a mail reader of the old school on the local side
    snapshot    both sides in one form, and their difference
    dovecot, cyrus  private servers on loopback
    proxy       between the two: records, counts, delays, cuts
    program     runs mailtwin itself
    corpus      real mail, or mail that looks it
"""
