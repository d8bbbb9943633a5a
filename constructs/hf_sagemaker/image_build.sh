# Builds the image of these inputs on the base as it is now, unless it is there already; tells the environment its digest.
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

# A published tag can move to a patched image. Built on the digest, the image is what its own tag says, and a tag of ours
# never has to move.
base_digest="$(aws ecr batch-get-image --registry-id "${BASE_IMAGE%%.*}" --repository-name "${base_name%:*}" \
  --image-ids imageTag="${base_name##*:}" --query 'images[0].imageId.imageDigest' --output text)"
case "$base_digest" in
  sha256:*) ;;
  *) echo "The base $BASE_IMAGE is not there any more: name another in the settings of this image"; exit 1 ;;
esac
base="$BASE_IMAGE@$base_digest"
tag="$IMAGE_TAG-${base_digest:7:12}"
image="$REPOSITORY_URI:$tag"

if digest="$(digest_of "$tag")"; then
  echo "$image is there already: nothing to build"
else
  if [ -z "${OWN_DOCKERFILE:-}" ]; then
    docker build --file "$DOCKERFILE" --build-arg BASE_IMAGE="$base" --tag "$image" .
  else
    # What a team's own Dockerfile begins with; it stays on this machine.
    extended="extended:$tag"
    docker build --file "$DOCKERFILE" --build-arg BASE_IMAGE="$base" --tag "$extended" .
    docker build --file "$OWN_DOCKERFILE" --build-arg BASE_IMAGE="$extended" --tag "$image" "${OWN_DOCKERFILE%/*}"
  fi
  docker push "$image"
  digest="$(digest_of "$tag")"
fi

# The digest last: what comes before is written again by the next build, if this one ends in between.
tell "$BASE_DIGEST_PARAMETER" "$base_digest"
tell "$DIGEST_PARAMETER" "$REPOSITORY_URI@$digest"
echo "The environment uses $REPOSITORY_URI@$digest from now on"
