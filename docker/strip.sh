#!/bin/sh
# Makes a Python image ready to run as uid 10001: a user without shell or password, and no pip.
set -eu
echo 'capefed:x:10001:10001::/var/lib/cape-fed:/usr/sbin/nologin' >> /etc/passwd
echo 'capefed:x:10001:' >> /etc/group
# A new named volume is filled from here, owners included.
mkdir -p /etc/cape-fed /srv/stores /run/secrets /var/lib/cape-fed/flwr /var/lib/cape-fed/runs /var/lib/cape-fed/site
chown -R 10001:10001 /var/lib/cape-fed
chmod 700 /var/lib/cape-fed
for name in pip setuptools wheel pkg_resources _distutils_hack ensurepip; do
  rm -rf /usr/local/lib/python3*/site-packages/"$name" /usr/local/lib/python3*/site-packages/"$name"-*.dist-info \
    /usr/local/lib/python3*/"$name" /usr/lib/python3/dist-packages/"$name"
done
rm -f /usr/local/bin/pip* /usr/bin/pip* /usr/local/bin/wheel
