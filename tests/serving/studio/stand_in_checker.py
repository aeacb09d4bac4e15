"""A checker that believes every voice, and starts without TensorFlow."""

from amadeus.personality import content, inspection
from serving.studio import checking

if __name__ == "__main__":
    inspection.check_voice = content.read_personality
    checking.main()
