"""Names and sentences that the estate's families are told in. All invented."""

from __future__ import annotations

FIRST = (
    "Ada", "Ben", "Chiara", "Dmitri", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jonas", "Kavya", "Liam", "Maja", "Noor", "Oscar",
    "Priya", "Quentin", "Rosa", "Samir", "Tove", "Uma", "Viktor", "Wanda", "Ximena", "Yusuf", "Zoë",
)  # fmt: skip
LAST = (
    "Abara", "Bergström", "Castillo", "Delacroix", "Eriksen", "Fontaine", "Greene", "Haddad", "Ivanova", "Jansen", "Kowalski", "Lindqvist",
    "Moreau", "Nakamura", "O'Neill", "Petrov", "Quispe", "Rivera", "Silva", "Tanaka", "Usman", "Varga", "Weiss", "Yildiz", "Zhou",
)  # fmt: skip
NICK = ("Bee", "Bobo", "Coco", "Dot", "Fizz", "Gigi", "Juju", "Kiki", "Lulu", "Max", "Mimi", "Nino", "Pip", "Roo", "Teddy", "Zuzu")
STREETS = ("Alder Way", "Birch Lane", "Cedar Court", "Dock Street", "Elm Road", "Ferry Row", "Garden Close", "High Street")
TOWNS = (("Ashford", "AF"), ("Brookdale", "BD"), ("Claymont", "CM"), ("Dunmore", "DM"), ("Eastwick", "EW"))
ROOMS = ("Kitchen", "Living room", "Bedroom", "Playroom", "Hall")

FACTS = ("is allergic to {}", "is afraid of {}", "loves {}", "is learning about {}", "asked again about {}")
THINGS = ("walnuts", "dinosaurs", "thunder", "the moon", "trains", "cats", "bees", "volcanoes", "football", "the dark", "strawberries")
CHORES = ("feed {}'s rabbit", "take {} to the dentist", "pack {}'s lunch", "water {}'s tomatoes", "practise piano with {}")
MESSAGES = (
    "can you pick {} up at five?",
    "{} forgot the gym bag again",
    "the doctor says {} is fine, tell you tonight",
    "{} is asking for you",
    "happy birthday to {} from all of us",
)
