"""ESPnet3 recipe: SpeechMoE on the synthetic corpus. See README.md."""

from espnet3.systems.launch import launch

from speechmoe_espnet.task.system import SpeechMoEASRSystem

if __name__ == "__main__":
    launch(SpeechMoEASRSystem, conf_package="egs3.TEMPLATE.esp2_asr")
