# packages: python3-requests
import requests
try: requests.get('https://example.com',timeout=2)
except requests.exceptions.RequestException as e: print('caught',type(e).__name__)
