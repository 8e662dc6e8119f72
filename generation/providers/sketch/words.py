"""The words that mean a place, an hour, a weather, a thing. `_words` lines: what is meant, then how people say it."""

import re
from collections.abc import Mapping

Vocabulary = Mapping[str, frozenset[str]]


def tokens(text: str) -> list[str]:
    """The words of a text in order, in lower case and in the singular as far as endings tell."""
    joined = re.sub(r"\bold (man|woman|lady)\b", r"old\1", text.lower())
    return [_singular(word) for word in re.findall(r"[^\W\d_]+", joined)]


def mentioned(words: list[str], vocabulary: Vocabulary) -> list[str]:
    """What of the vocabulary the words mention: most often mentioned first, then in the order of the words."""
    counts: dict[str, int] = {}
    for word in words:
        for meaning, ways in vocabulary.items():
            if word in ways:
                counts[meaning] = counts.get(meaning, 0) + 1
    return sorted(counts, key=lambda meaning: -counts[meaning])


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("ves") and word[:-3] in {"wol", "lea", "hal", "shel", "el"}:
        return word[:-3] + "f"
    if word.endswith(("xes", "ches", "shes", "sses")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return word[:-1]
    return word


def _words(lines: str) -> dict[str, frozenset[str]]:
    vocabulary = {}
    for line in lines.strip().splitlines():
        meaning, _, ways = line.strip().partition(":")
        vocabulary[meaning] = frozenset(ways.split()) | {meaning}
    return vocabulary


PLACES = _words("""
forest: wood woodland woods tree pine jungle grove thicket glade clearing fir birch oak
sea: ocean beach shore coast wave island harbour harbor lighthouse boat ship sailboat whale bay cliff tide pier
city: town street rooftop roof skyline market square alley lamppost downtown tower station cathedral
mountain: peak summit alp ridge glacier hillside cliffside pass crag
desert: dune sand oasis cactus camel canyon sahara mesa
space: planet galaxy rocket spaceship asteroid cosmos comet orbit astronaut nebula mars universe crater
meadow: field garden hill grass flower pasture prairie farm orchard countryside windmill valley poppy
village: cottage hamlet farmhouse chimney barn mill
river: stream brook lake pond waterfall creek bridge riverbank reed swamp marsh
cave: cavern grotto tunnel mine underground crystal den
room: bedroom kitchen house home bed attic library window indoor inside study fireplace school
clouds: cloud skyward
""")

HOURS_SAID = _words("""
night: midnight moon moonlight moonlit star starlight starry nighttime dark darkness evening asleep dream bedtime
dusk: sunset twilight sundown nightfall gloaming
dawn: sunrise daybreak morning early awakes wake
autumn: october november harvest autumnal september
mist: fog misty foggy haze hazy steam
storm: stormy thunder thunderstorm lightning tempest gale rain rainy hurricane
winter: wintry frost frosty december january
day: noon sunny sunshine summer midday spring daylight afternoon sunlight
""")

WEATHERS = _words("""
snow: snowy snowfall snowflake blizzard winter wintry ice icy frozen frost glacier snowman
rain: rainy raining storm stormy thunder thunderstorm tempest drizzle umbrella
""")

THINGS = _words("""
lantern: lamp candle torch lamplight
lighthouse: beacon
castle: palace fortress citadel
boat: ship sailboat sail raft sailing row rowing
bridge: footbridge
house: cottage cabin hut inn farmhouse
windmill: mill
tent: camp camping
campfire: fire bonfire
balloon: airship
rocket: spaceship
whale: dolphin
rainbow:
lightning: thunder thunderbolt thunderstorm
comet: meteor shooting
birds: bird gull seagull geese goose swallow crow flock
fireflies: firefly glowworm spark
flowers: flower poppy blossom garden daisy tulip rose
snowman:
tower: turret
""")

FIGURES = _words("""
girl: daughter sister granddaughter schoolgirl lass kid child
boy: son brother grandson schoolboy lad
woman: mother lady mum mom aunt nurse teacher
man: father dad uncle fisherman sailor captain farmer keeper pirate gentleman
grandfather: grandpa oldman granddad hermit elder
grandmother: grandma oldwoman oldlady granny nana
princess: queen empress
king: prince emperor
knight: warrior soldier guard
wizard: magician sorcerer mage merlin
witch: sorceress enchantress
astronaut: spaceman cosmonaut
fox: vixen
wolf: husky
dog: puppy hound terrier
cat: kitten kitty
bear: cub
rabbit: hare bunny
mouse:
deer: stag doe fawn elk reindeer
horse: pony mare stallion unicorn donkey
bird: sparrow raven robin crow parrot duck hen chick
owl: owlet
robot: android machine automaton
dragon: wyvern dinosaur
""")

PEOPLE = frozenset(
    {"girl", "boy", "woman", "man", "grandfather", "grandmother"}
    | {"princess", "king", "knight", "wizard", "witch", "astronaut"}
)
