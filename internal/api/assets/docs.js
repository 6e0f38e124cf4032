const here = document.currentScript.src; // below the root path, if there is one
SwaggerUIBundle({
  url: new URL("../openapi.json", here).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  layout: "BaseLayout",
  oauth2RedirectUrl: new URL("oauth2-redirect", here).href, // as FastAPI's page, though nothing here asks for it
  presets: [SwaggerUIBundle.presets.apis],
  validatorUrl: null, // it would be asked on another host
});
