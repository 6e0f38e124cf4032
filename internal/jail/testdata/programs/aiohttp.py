# packages: python3-aiohttp
import aiohttp, asyncio
from aiohttp import web
async def main():
    app=web.Application(); app.router.add_get('/',lambda r: web.json_response({'a':1})) if 0 else None
    async def h(r): return web.json_response({'a':1})
    app.router.add_get('/',h); run=web.AppRunner(app); await run.setup(); await web.TCPSite(run,'127.0.0.1',8080).start()
    async with aiohttp.ClientSession() as s:
        async with s.get('http://127.0.0.1:8080/') as r: print(await r.json())
        try: await s.get('https://example.com')
        except aiohttp.ClientError as e: print('caught',type(e).__name__)
    await run.cleanup()
asyncio.run(main())
