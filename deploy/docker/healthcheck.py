"""Is the service in this container ready? The image has no curl; exit code 0 is yes."""

import os
import sys
import urllib.error
import urllib.request

PORT = os.environ.get("HUCHUANG_PORT", "8000")


def main() -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://127.0.0.1:{PORT}/readyz", timeout=4) as answer:
            sys.exit(answer.status != 200)
    except (urllib.error.URLError, TimeoutError) as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main()
