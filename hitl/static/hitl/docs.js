// The API's document in Swagger UI. A signed-in person's own calls carry the CSRF token.
"use strict";
const token = () => (document.cookie.match(/(?:^|; )csrftoken=([^;]+)/) || [])[1];
SwaggerUIBundle({
  url: document.getElementById("docs").dataset.schema,
  domNode: document.getElementById("docs"),
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  requestInterceptor: (request) => {
    if (!request.loadSpec && request.method !== "GET" && token()) request.headers["X-CSRFToken"] = token();
    return request;
  },
});
