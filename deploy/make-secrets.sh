#!/bin/sh
# Make the secrets of compose.yaml, those that are missing, in the folder that is named (default:
# secrets beside this file).  Nobody but its owner may enter the folder; the files in it are
# readable because the containers read them as users of their own.
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
folder="${1:-$here/secrets}"
mkdir -p "$folder/sources"
chmod 0700 "$folder"

random() { od -An -tx1 -N32 /dev/urandom | tr -d ' \n'; }

keep() { # NAME: writes standard input to the file unless it is there
    if [ -e "$folder/$1" ]; then cat > /dev/null; else cat > "$folder/$1" && chmod 0644 "$folder/$1"; fi
}

for each in catalog_password temporal_password staging_ticket_key ray_token s3_secret_key; do
    random | keep "$each"
done
printf 'postgresql://staging:%s@catalog-db:5432/staging' "$(cat "$folder/catalog_password")" |
    keep staging_catalog_url
printf '[default]\naws_access_key_id = staging\naws_secret_access_key = %s\n' \
    "$(cat "$folder/s3_secret_key")" | keep aws_credentials
printf '{"identities": [{"name": "staging", "credentials": [{"accessKey": "staging", "secretKey": "%s"}], "actions": ["Admin"]}]}\n' \
    "$(cat "$folder/s3_secret_key")" | keep s3_identities
[ $# -gt 0 ] || [ -e "$here/connections.toml" ] ||
    echo '# The sources; see docs/reference/sources.md.' > "$here/connections.toml"
