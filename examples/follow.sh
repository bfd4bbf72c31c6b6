#!/bin/sh
# Follow what happens at a centre with curl: each event as one line of JSON.
#   SIAGA112_TOKEN=s112_… ./follow.sh https://siaga.example [ID]      from that event on, else what comes
set -eu
exec curl --silent --show-error --fail --no-buffer \
    --header "Authorization: Bearer $SIAGA112_TOKEN" ${2:+--header "Last-Event-ID: $2"} \
    "${1%/}/api/v1/events" | sed -un 's/^data: //p'
