"""What a receiver remembers of a channel and of its notes."""

from amadeus.live.events import Expression

NO_PARAMETER = (127, 127)  # RPN null: data entry sets nothing


class ChannelState:
    """A channel: where its controllers stand and which of its notes have not ended.

    Attributes:
      number: From 0.
      lead: The channel whose master controllers and pedals count here: a zone's master, or this one.
      followers: The channels that a message on this one is for: this one and, for a master, its members.
      is_in_zone: Whether it is part of an MPE zone.
      bend_unit: In [-1, 1).
      range_cents: Reach of the bend.
      has_own_range: Whether RPN 0 has set it.
      parameter: The registered parameter chosen, as (MSB, LSB).
      keys: Notes whose keys are down, by key.
      owed: Note-offs still to come for strikes that were struck over, by key.
      notes: Notes that have not ended, by id, oldest first.
    """

    __slots__ = (
        "bend_unit",
        "expression_db",
        "followers",
        "has_own_range",
        "is_in_zone",
        "is_mono",
        "keys",
        "lead",
        "modulation_unit",
        "notes",
        "number",
        "owed",
        "parameter",
        "pressure_unit",
        "range_cents",
        "soft",
        "sostenuto",
        "sustain",
        "timbre_unit",
        "volume_db",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.lead = self
        self.followers = [self]
        self.is_in_zone = False
        self.is_mono = False
        self.range_cents = 200.0
        self.keys: dict[int, NoteState] = {}
        self.owed: dict[int, int] = {}
        self.notes: dict[int, NoteState] = {}
        self.power_up()

    @property
    def is_member(self) -> bool:
        """Whether another channel is its zone's master."""
        return self.lead is not self

    @property
    def bend_semitones(self) -> float:
        """Its own bend, a master's left out."""
        return self.bend_unit * self.range_cents / 100

    def power_up(self) -> None:
        """Sets every controller to where it stands before anybody plays."""
        self.volume_db = 0.0
        self.timbre_unit = 0.0
        self.has_own_range = False
        self.owed.clear()
        self.reset_controllers()

    def reset_controllers(self) -> None:
        """Sets what RP-015 says; volume, timbre and the bend range stay."""
        self.bend_unit = 0.0
        self.pressure_unit = 0.0
        self.modulation_unit = 0.0
        self.expression_db = 0.0
        self.sustain = self.sostenuto = self.soft = False
        self.parameter = NO_PARAMETER
        for note in self.notes.values():
            note.key_pressure_unit = 0.0


class NoteState:
    """A note that has started and not ended.

    Attributes:
      key_pressure_unit: Poly key pressure.
      is_down: Whether its key is.
      is_caught: Whether its key was down when the sostenuto pedal went down.
      off_velocity: Of the key's release, once it is up.
      expression: As last told.
    """

    __slots__ = (
        "channel",
        "expression",
        "is_caught",
        "is_down",
        "kept",
        "key",
        "key_pressure_unit",
        "note_id",
        "off_velocity",
    )

    def __init__(self, note_id: int, channel: ChannelState, key: int) -> None:
        self.note_id = note_id
        self.channel = channel
        self.key = key
        self.key_pressure_unit = 0.0
        self.is_down = True
        self.is_caught = False
        self.off_velocity = 64
        self.expression = Expression()
        # Bend, pressure and timbre of a member's note whose key is up: the channel may be another note's by now.
        self.kept: tuple[float, float, float] | None = None

    @property
    def is_held(self) -> bool:
        """Whether a pedal holds it though its key be up."""
        lead = self.channel.lead
        return lead.sustain or (lead.sostenuto and self.is_caught)

    def lift(self, velocity: int) -> None:
        """Takes the finger off."""
        channel = self.channel
        self.is_down = False
        self.off_velocity = velocity
        channel.keys.pop(self.key, None)
        if channel.is_member:
            self.kept = (
                channel.bend_semitones,
                channel.pressure_unit,
                channel.timbre_unit,
            )

    def forget(self) -> None:
        """Takes it out of its channel."""
        if self.is_down:
            self.channel.keys.pop(self.key, None)
        self.channel.notes.pop(self.note_id, None)

    def express(self) -> Expression:
        """Gathers what shapes it now."""
        channel = self.channel
        lead = channel.lead
        bend, pressure, timbre = self.kept or (
            channel.bend_semitones,
            channel.pressure_unit,
            channel.timbre_unit,
        )
        if lead is not channel:
            bend += lead.bend_semitones
            pressure = _press_harder(pressure, lead.pressure_unit)
            timbre = min(max(timbre + lead.timbre_unit, -1.0), 1.0)
        if self.key_pressure_unit:
            pressure = _press_harder(pressure, self.key_pressure_unit)
        return Expression(
            bend,
            pressure,
            timbre,
            lead.modulation_unit,
            lead.volume_db,
            lead.expression_db,
        )


def _press_harder(one: float, other: float) -> float:
    return one + other * (1.0 - one)  # exact where either is 0
