// @ts-check
// Swagger UI on our schema; requests from it carry the session and its CSRF token.

const host = /** @type {HTMLElement} */ (document.getElementById("documentation"));
// @ts-ignore - the bundle defines a global
const SwaggerUi = window.SwaggerUIBundle;

SwaggerUi({
  url: host.dataset.schema,
  domNode: host,
  presets: [SwaggerUi.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  // The validator badge would come from another host.
  validatorUrl: null,
  requestInterceptor: (/** @type {{method?: string, headers: Record<string, string>}} */ request) => {
    if (request.method && request.method !== "GET") request.headers["X-CSRFToken"] = host.dataset.csrf ?? "";
    return request;
  },
});

export {};
