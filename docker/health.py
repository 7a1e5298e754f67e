"""Whether what a container runs answers at CAPE_FED_HEALTH: exit status 0 if it does.

For HTTPS the answer has to bear a certificate of the authority in /etc/cape-fed/ca.crt (or CAPE_FED_CA).
"""

import os
import ssl
import sys
import urllib.request

url = os.environ["CAPE_FED_HEALTH"]
handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
if url.startswith("https:"):
    authority = os.environ.get("CAPE_FED_CA", "/etc/cape-fed/ca.crt")
    handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authority)))
try:
    sys.exit(urllib.request.build_opener(*handlers).open(url, timeout=8).status != 200)
except OSError as error:
    sys.exit(f"no answer from {url}: {error}")
