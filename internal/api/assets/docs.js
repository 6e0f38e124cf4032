SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  layout: "BaseLayout",
  oauth2RedirectUrl: location.origin + "/docs/oauth2-redirect", // as FastAPI's page, though nothing here asks for it
  presets: [SwaggerUIBundle.presets.apis],
  validatorUrl: null, // it would be asked on another host
});
