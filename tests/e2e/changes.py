"""Each two-way change alone, beside an account that both sides hold.

A model is {folder: {name: flags}}: what has to be on both sides in the end. A
change does something on one side, and writes into the model what follows."""

import copy

from harness.corpus import small_message, to_wire

SEEN, FLAGGED, DRAFT = "\\Seen", "\\Flagged", "\\Draft"
DATE = 1_234_567_890

START = {
    "INBOX": {"m0": "", "m1": SEEN, "m2": f"{FLAGGED} {SEEN}", "m3": "work"},
    "Archive": {"m4": SEEN, "m5": f"{SEEN} work", "m6": "", "m7": "\\Answered"},
    "Work": {"m8": "later", "m9": DRAFT, "m10": f"{SEEN} later", "m11": ""},
}

CHANGES = {}


def change(function):
    CHANGES[function.__name__] = function
    return function


def wire(name):
    return to_wire(small_message(name))


def date(name):
    """Dates differ, and the names tell them."""
    return DATE + sum(name.encode())


def append(world, folder, name, flags=""):
    world.imap.append(folder, wire(name), flags.split(), date(name))


def deliver(world, folder, name, letters=""):
    world.maildir.deliver(folder, small_message(name), letters, date(name))


def store(world, folder, name, sign, flags):
    world.imap.store(folder, [world.uid(folder, name)], f"{sign}FLAGS",
                     flags.split())


def expunge(world, folder, name):
    world.imap.expunge(folder, [world.uid(folder, name)])


def put_there(world, model):
    """The model's messages, on the server."""
    for folder, messages in model.items():
        if folder != "INBOX":
            world.imap.create(folder)
        world.imap.append_many(folder, [
            (wire(name), flags.split(), date(name))
            for name, flags in messages.items()])


def start():
    return copy.deepcopy(START)


# Before the first sync of all


@change
def first_sync(world, model):
    put_there(world, model)


@change
def first_sync_of_both(world, model):
    """Half of it is here, half of it is there, and some is on both."""
    put_there(world, {"INBOX": model["INBOX"], "Archive": {
        name: model["Archive"][name] for name in ("m4", "m5")}})
    letters = {"m8": "", "m9": "D", "m10": "S", "m11": "", "m6": "",
               "m7": "R", "m4": "S"}
    for folder in ("Archive", "Work"):
        for name in model[folder]:
            if name in letters:
                deliver(world, folder, name, letters[name])
    model["Work"].update({"m8": "", "m10": SEEN})


# Messages


@change
def new_message_there(world, model):
    append(world, "INBOX", "new1", SEEN)
    append(world, "INBOX", "new2", "work")
    model["INBOX"].update({"new1": SEEN, "new2": "work"})


@change
def new_message_here(world, model):
    deliver(world, "INBOX", "new1", "S")
    deliver(world, "INBOX", "new2")
    model["INBOX"].update({"new1": SEEN, "new2": ""})


@change
def deletion_there(world, model):
    expunge(world, "Archive", "m4")
    del model["Archive"]["m4"]


@change
def deletion_here(world, model):
    world.maildir.remove(world.entry("Archive", "m4"))
    del model["Archive"]["m4"]


@change
def move_there(world, model):
    world.imap.move("INBOX", [world.uid("INBOX", "m3")], "Archive")
    model["Archive"]["m3"] = model["INBOX"].pop("m3")


@change
def move_here(world, model):
    world.maildir.move(world.entry("INBOX", "m2"), "Archive")
    model["Archive"]["m2"] = model["INBOX"].pop("m2")


@change
def move_here_with_a_new_name(world, model):
    world.maildir.move(world.entry("INBOX", "m2"), "Archive", new_name=True)
    model["Archive"]["m2"] = model["INBOX"].pop("m2")


@change
def copy_there(world, model):
    world.imap.copy("INBOX", [world.uid("INBOX", "m2")], "Archive")
    model["Archive"]["m2"] = model["INBOX"]["m2"]


@change
def copy_here(world, model):
    world.maildir.copy(world.entry("INBOX", "m2"), "Archive")
    model["Archive"]["m2"] = model["INBOX"]["m2"]


@change
def draft_rewritten_there(world, model):
    append(world, "Work", "again", DRAFT)
    expunge(world, "Work", "m9")
    del model["Work"]["m9"]
    model["Work"]["again"] = DRAFT


@change
def draft_rewritten_here(world, model):
    deliver(world, "Work", "again", "D")
    world.maildir.remove(world.entry("Work", "m9"))
    del model["Work"]["m9"]
    model["Work"]["again"] = DRAFT


# Flags


@change
def flag_there(world, model):
    store(world, "INBOX", "m0", "+", SEEN)
    store(world, "INBOX", "m2", "-", FLAGGED)
    model["INBOX"].update({"m0": SEEN, "m2": SEEN})


@change
def flag_here(world, model):
    mail = world.maildir
    mail.add_letters(world.entry("INBOX", "m0"), "S")
    mail.drop_letters(world.entry("INBOX", "m2"), "F")
    model["INBOX"].update({"m0": SEEN, "m2": SEEN})


@change
def keyword_there(world, model):
    store(world, "INBOX", "m1", "+", "fresh")
    store(world, "INBOX", "m3", "-", "work")
    model["INBOX"].update({"m1": f"{SEEN} fresh", "m3": ""})


@change
def keyword_here(world, model):
    mail = world.maildir
    letter = mail.letter("INBOX", "fresh")
    mail.add_letters(world.entry("INBOX", "m1"), letter)
    mail.drop_letters(world.entry("INBOX", "m3"), mail.letter("INBOX", "work"))
    model["INBOX"].update({"m1": f"{SEEN} fresh", "m3": ""})


# Folders


@change
def folder_made_there(world, model):
    world.imap.create("Made")
    append(world, "Made", "new1", SEEN)
    model["Made"] = {"new1": SEEN}


@change
def folder_made_here(world, model):
    deliver(world, "Made/Größe", "new1", "S")
    model["Made/Größe"] = {"new1": SEEN}


@change
def folder_renamed_there(world, model):
    world.imap.rename("Work", "Done")
    model["Done"] = model.pop("Work")


@change
def folder_renamed_here(world, model):
    world.maildir.rename_folder("Work", "Done")
    model["Done"] = model.pop("Work")


@change
def folder_removed_there(world, model):
    world.imap.delete("Work")
    del model["Work"]


@change
def folder_removed_here(world, model):
    world.maildir.remove_folder("Work")
    del model["Work"]
