#!/bin/sh
# Stands in for Grafana: proves that what compose.yaml mounts can be read by Grafana's user, and that the data source it provisions
# answers by the name it has there. It proves nothing about what Grafana makes of them.
set -eu
provisioning=/etc/grafana/provisioning
url=$(sed -n 's/^ *url: //p' "$provisioning"/datasources/*.yaml)
folder=$(sed -n 's/^ *path: //p' "$provisioning"/dashboards/*.yaml)
cat "$GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH" >/dev/null
until wget -q -O /dev/null "$url/-/ready"; do sleep 1; done
mkdir -p /tmp/page
for dashboard in "$folder"/*.json; do
    sed -n 's/^  "uid": "\(.*\)",\{0,1\}$/\1/p' "$dashboard"
done >/tmp/page/index.html
exec httpd -f -p 3000 -h /tmp/page
