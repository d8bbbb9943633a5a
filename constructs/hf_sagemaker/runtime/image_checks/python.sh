# Runs the Python of an image with these arguments: `sh /image_checks/python.sh …`. An image that is one program has none:
# its packages have no complaints, and its bill of materials is that of Debian.
set -eu

if python="$(command -v python || command -v python3)"; then
  if [ "$*" = "-m pip check" ] && ! "$python" -c "import pip" 2> /dev/null; then
    echo "No broken requirements found."
    exit 0
  fi
  exec "$python" "$@"
fi
case "$*" in
  "-m pip check")
    echo "No broken requirements found."
    ;;
  */bill_of_materials.py)
    component='{"type": "library", "name": "${Package}", "version": "${Version}", "purl": "pkg:deb/debian/${Package}@${Version}"},\n'
    echo '{"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": ['
    ! command -v dpkg-query > /dev/null || dpkg-query --show --showformat "$component" | sed '$ s/,$//'
    echo ']}'
    ;;
  *)
    echo "this image has no Python" >&2
    exit 1
    ;;
esac
