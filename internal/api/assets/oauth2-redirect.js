// Gives what an authorization server said to the Swagger UI that opened this window, as Swagger UI's own
// oauth2-redirect.html does. Without such a window there is nothing to do.
const ui = window.opener && window.opener.swaggerUIRedirectOauth2;
if (ui) {
  const said = /code|token|error/.test(location.hash) ? location.hash.slice(1).replace("?", "&") : location.search.slice(1);
  const params = Object.fromEntries(new URLSearchParams(said));
  const valid = params.state === ui.state;
  const complain = (level, message) => ui.errCb({ authId: ui.auth.name, source: "auth", level, message });
  const withCode = ["accessCode", "authorizationCode", "authorization_code"].includes(ui.auth.schema.get("flow"));
  if (withCode && !ui.auth.code) {
    if (!valid) complain("warning", "The state is not the one that was sent: the answer may not be the server's.");
    if (params.code) {
      delete ui.auth.state;
      ui.auth.code = params.code;
      ui.callback({ auth: ui.auth, redirectUrl: ui.redirectUrl });
    } else {
      complain("error", params.error ? `[${params.error}]: ${params.error_description || ""} ${params.error_uri || ""}` : "The server gave no code.");
    }
  } else {
    ui.callback({ auth: ui.auth, token: params, isValid: valid, redirectUrl: ui.redirectUrl });
  }
  window.close();
}
