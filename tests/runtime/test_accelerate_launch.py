"""`accelerate launch` in the training image: what it is given, and what it makes of it."""

import json
from pathlib import Path

# In the image's interpreter: what the launcher writes for the second of two instances with eight GPUs each, and the
# environment that accelerate's own parser makes of it for the script.
PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
import accelerate_launch
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_multi_gpu_env

def launched(wanted):
    config = accelerate_launch.configuration(
        wanted, hosts=["algo-1", "algo-2"], host="algo-2", main_address="algo-1", processes_per_host=8
    )
    path = sys.argv[2]
    open(path, "w").write(json.dumps(config))
    args, *_ = _validate_launch_command(launch_command_parser().parse_args(["--config_file", path, "train.py"]))
    environment = prepare_multi_gpu_env(args)
    kept = ("ACCELERATE_", "FSDP_")
    names = ("use_fsdp", "use_deepspeed", "multi_gpu", "nnodes", "nproc_per_node", "node_rank", "rdzv_endpoint")
    more = ("deepspeed_multinode_launcher", "zero_stage")
    return {
        **{name: str(getattr(args, name, None)) for name in (*names, *more)},
        **{name: value for name, value in environment.items() if name.startswith(kept)},
    }

print(json.dumps([launched(json.loads(text)) for text in sys.argv[3:]]))
"""
FSDP = {
    "distributed_type": "FSDP",
    "mixed_precision": "fp16",
    "num_machines": 1,
    "main_process_ip": "10.0.0.1",
    "fsdp_config": {"fsdp_sharding_strategy": "FULL_SHARD", "fsdp_state_dict_type": "SHARDED_STATE_DICT"},
}
DEEPSPEED = {"distributed_type": "DEEPSPEED", "deepspeed_config": {"zero_stage": 3}}


def test_a_configuration_is_launched_on_sagemakers_instances(
    runtime, training_python, run_python, tmp_path: Path
) -> None:
    # When configurations with FSDP, with DeepSpeed, and one that says nothing are launched
    texts = [json.dumps(wanted) for wanted in (FSDP, DEEPSPEED, {})]
    folder, path = str(runtime / "training/launchers"), str(tmp_path / "config.json")
    done = run_python(training_python, "-c", PROGRAM, folder, path, *texts)

    # Then the instances are SageMaker's, whatever the configuration thought
    assert done.returncode == 0, done.stdout
    fsdp, deepspeed, plain = json.loads(done.stdout.splitlines()[-1])
    instances = {"nnodes": "2", "nproc_per_node": "8", "node_rank": "1", "rdzv_endpoint": "algo-1:7777"}
    for launched in (fsdp, deepspeed, plain):
        assert launched.items() >= instances.items()

    # And each is what it asks for
    assert fsdp["ACCELERATE_USE_FSDP"] == "true"
    assert (fsdp["FSDP_SHARDING_STRATEGY"], fsdp["FSDP_STATE_DICT_TYPE"]) == ("FULL_SHARD", "SHARDED_STATE_DICT")
    assert fsdp["ACCELERATE_MIXED_PRECISION"] == "fp16"
    assert (deepspeed["use_deepspeed"], deepspeed["zero_stage"]) == ("True", "3")
    assert deepspeed["deepspeed_multinode_launcher"] == "standard"
    assert (plain["multi_gpu"], plain["use_fsdp"]) == ("True", "False")
