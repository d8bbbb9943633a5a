# Asks a new image that starts with what it brings itself, before it is pushed, whether that is still whole.
#
#     docker run --entrypoint sh IMAGE /image_checks/server.sh SERVER TRANSFORMERS
#
# SERVER: the server's name, `neuron`, `neuronx`, or `own`. TRANSFORMERS: the version that is pinned, or empty. There is no
# GPU where images are built: no server is started, and no program that is linked to the driver.
set -eu

server="$1"
transformers="$2"

loads() { # the server's package, or nothing
  python="$(command -v python || command -v python3)"
  exec "$python" "$(dirname "$0")/server.py" "$1" "$transformers"
}

is_there() { # programs
  for program in "$@"; do
    command -v "$program" > /dev/null || { echo "the image has no $program any more"; exit 1; }
    echo "$program is there"
  done
}

case "$server" in
  tgi)
    is_there text-generation-launcher
    text-generation-launcher --version
    loads text_generation_server
    ;;
  tei)
    if command -v text-embeddings-router > /dev/null; then
      text-embeddings-router --version
    else
      # One for each kind of GPU; T4's is 75.
      is_there text-embeddings-router-75 text-embeddings-router-80 text-embeddings-router-90
    fi
    ;;
  llamacpp) is_there llama-server ;;
  vllm) loads vllm ;;
  vllm-omni) loads vllm_omni ;;
  sglang) loads sglang ;;
  neuron | neuronx) loads sagemaker_huggingface_inference_toolkit ;;
  own)
    [ -n "$transformers" ] || exit 0
    loads ""
    ;;
  *)
    echo "server.sh does not know the server $server"
    exit 2
    ;;
esac
