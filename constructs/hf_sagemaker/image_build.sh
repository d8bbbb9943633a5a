# Builds the image of these inputs on the base as it is now, unless it is there already: tries it, pushes it, writes its
# bill of materials, and tells the environment its digest.
set -euo pipefail

repository="${REPOSITORY_URI#*/}"
base_name="${BASE_IMAGE#*/}"

digest_of() { # tag
  aws ecr describe-images --repository-name "$repository" --image-ids imageTag="$1" \
    --query 'imageDetails[0].imageDigest' --output text 2> /dev/null
}

tell() { # parameter value
  aws ssm put-parameter --name "$1" --value "$2" --overwrite > /dev/null
}

check() { # docker's options, the image, what it runs
  docker run --rm --volume "$PWD/image_checks:/image_checks:ro" "$@"
}

in_python() { # image, what its Python runs; an image that starts with what it brings itself may have none
  if [ -z "${SERVER:-}" ]; then
    check --entrypoint python "$@"
  else
    check --entrypoint sh "$1" /image_checks/python.sh "${@:2}"
  fi
}

complaints() { # image
  in_python "$1" -m pip check > complaints.txt || [ $? -eq 1 ]
  [ -s complaints.txt ]
  sort complaints.txt
}

# Writes what pip is told about the package index. Standard input: its credentials, as JSON, or nothing.
pip_configuration() {
  python3 -c '
import json, os, sys
from urllib.parse import quote, urlsplit
given, user, index = sys.stdin.read().strip(), "", urlsplit(os.environ["PACKAGE_INDEX"])
if given:
    try:
        found = json.loads(given)
        user = "{}:{}@".format(*(quote(found[part], safe="") for part in ("username", "password")))
    except (ValueError, KeyError, TypeError):
        sys.exit("The secret of the package index must hold {\"username\": ..., \"password\": ...}: write it anew")
print("[global]", "index-url = " + index._replace(netloc=user + index.netloc).geturl(), sep="\n")
'
}

index_credentials() {
  local token
  if [ -n "${CODEARTIFACT_DOMAIN:-}" ]; then
    token="$(aws codeartifact get-authorization-token --domain "$CODEARTIFACT_DOMAIN" \
      --domain-owner "$CODEARTIFACT_OWNER" --duration-seconds 3600 --query authorizationToken --output text)" &&
      printf '{"username": "aws", "password": "%s"}' "$token"
  elif [ -n "${PACKAGE_INDEX_SECRET_ARN:-}" ]; then
    aws secretsmanager get-secret-value --secret-id "$PACKAGE_INDEX_SECRET_ARN" --query SecretString --output text
  fi
}

# Both files are secrets of `docker build`, beside its context: they are in no layer, and in no variable or log.
secrets=()
private="$(mktemp -d)"
trap 'rm -rf "$private"' EXIT
if [ -n "${PACKAGE_INDEX:-}" ]; then
  credentials="$(index_credentials)"
  pip_configuration <<< "$credentials" > "$private/pip.conf"
  secrets+=(--secret "id=pip.conf,src=$private/pip.conf")
fi
if [ -n "${APT_PROXY:-}" ]; then
  printf 'Acquire::http::Proxy "%s";\nAcquire::https::Proxy "%s";\n' "$APT_PROXY" "$APT_PROXY" > "$private/apt.conf"
  secrets+=(--secret "id=apt.conf,src=$private/apt.conf")
fi

build() { # what docker build is told
  docker build "${secrets[@]}" "$@"
}

# A published tag can move to a patched image. Built on the digest, the image is what its own tag says, and a tag of ours
# never has to move.
case "$base_name" in
  *@*) base_repository="${base_name%@*}" base_id="imageDigest=${base_name#*@}" ;;
  *) base_repository="${base_name%:*}" base_id="imageTag=${base_name##*:}" ;;
esac
base_digest="$(aws ecr batch-get-image --registry-id "${BASE_IMAGE%%.*}" --repository-name "$base_repository" \
  --image-ids "$base_id" --query 'images[0].imageId.imageDigest' --output text)"
case "$base_digest" in
  sha256:*) ;;
  *) echo "The base $BASE_IMAGE is not there any more: name another in the settings of this image"; exit 1 ;;
esac
base="${BASE_IMAGE%@*}@$base_digest"
tag="$IMAGE_TAG-${base_digest:7:12}"
# Packages that no settings pin, such as Debian's, are newer in an image that is built again: it has another tag then.
mark="$(aws ssm get-parameter --name "$REBUILD_PARAMETER" --query Parameter.Value --output text)"
[ "$mark" = none ] || tag="$tag-$mark"
image="$REPOSITORY_URI:$tag"

if digest="$(digest_of "$tag")"; then
  echo "$image is there already: nothing to build"
else
  if [ -z "${OWN_DOCKERFILE:-}" ]; then
    build --file "$DOCKERFILE" --build-arg BASE_IMAGE="$base" --tag "$image" .
  else
    # What a team's own Dockerfile begins with; it stays on this machine.
    extended="extended:$tag"
    build --file "$DOCKERFILE" --build-arg BASE_IMAGE="$base" --tag "$extended" .
    build --file "$OWN_DOCKERFILE" --build-arg BASE_IMAGE="$extended" --tag "$image" "${OWN_DOCKERFILE%/*}"
  fi
  # The published images break some of their own packages' wishes; a new complaint is ours.
  complaints "$base" > complaints-of-base.txt
  complaints "$image" > complaints-of-image.txt
  if comm -13 complaints-of-base.txt complaints-of-image.txt | grep --invert-match "^No broken requirements"; then
    echo "The packages above do not fit together: pin others in the settings of this image"
    exit 1
  fi
  if [ -z "${SERVER:-}" ]; then
    code="/opt/hf_sagemaker/$PURPOSE"
    check "$image" python "/image_checks/$PURPOSE.py" "$code" "${TRANSFORMERS_VERSION:-}"
  else
    check --entrypoint sh "$image" /image_checks/server.sh "$SERVER" "${TRANSFORMERS_VERSION:-}"
  fi
  docker push "$image"
  digest="$(digest_of "$tag")"
fi

bill="bills-of-materials/$repository/${digest/:/-}.json"
if ! aws s3api head-object --bucket "$ARTIFACTS_BUCKET" --key "$bill" > /dev/null 2>&1; then
  in_python "$REPOSITORY_URI@$digest" /image_checks/bill_of_materials.py > bill.json
  aws s3 cp --only-show-errors bill.json "s3://$ARTIFACTS_BUCKET/$bill"
fi

# A deployment meanwhile has started another build, or gone back to an image that is there: that one is told.
wanted="$(aws ssm get-parameter --name "$WANTED_PARAMETER" --query Parameter.Value --output text)"
if [ "$wanted" != "$REPOSITORY_URI:$IMAGE_TAG" ]; then
  echo "The settings lead to $wanted by now, so the environment does not use $image"
  exit 0
fi

# The digest last: what comes before is written again by the next build, if this one ends in between.
tell "$BASE_DIGEST_PARAMETER" "$base_digest"
tell "$DIGEST_PARAMETER" "$REPOSITORY_URI@$digest"
echo "The environment uses $REPOSITORY_URI@$digest from now on"
