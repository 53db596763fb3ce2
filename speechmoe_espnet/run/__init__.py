"""ESPnet's own commands with our task in the place of ESPnet's, for unmodified ESPnet recipes.

In a recipe of ESPnet, one option is all there is to do:

    ./run.sh --python "python3 -m speechmoe_espnet.run" --asr_config train_speechmoe.yaml
"""
