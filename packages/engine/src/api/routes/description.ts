import swagger from "@fastify/swagger"
import swaggerUi from "@fastify/swagger-ui"
import type { FastifyInstance } from "fastify"
import { jsonSchemaTransform, jsonSchemaTransformObject } from "fastify-type-provider-zod"

const contentSecurityPolicy =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"

/** Adds `/openapi.json`, made from the schemas that validate, and `/docs`, which shows it. It sees the routes added after it. */
export async function addDescription(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Grizz AI Engine",
        version: "0.1.0",
        description:
          "Conversations and history. Messages and live replies go over `GET /ws/chat/{conversation_id}`; see PROTOCOL.md.",
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      components: { securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } } },
    },
    transform: jsonSchemaTransform,
    transformObject: withoutUnused,
  })
  await app.register(swaggerUi, {
    routePrefix: "/docs",
    staticCSP: contentSecurityPolicy,
    uiConfig: { validatorUrl: null },
  })
  app.get("/openapi.json", { schema: { hide: true } }, async () => app.swagger())
}

/** Every schema comes once as input and once as output; what no route refers to, directly or not, is left out. */
const withoutUnused: typeof jsonSchemaTransformObject = (given) => {
  const document = jsonSchemaTransformObject(given)
  const schemas = "components" in document ? (document.components?.schemas ?? {}) : {}
  for (;;) {
    const text = JSON.stringify(document)
    const unused = Object.keys(schemas).filter((name) => !text.includes(`"#/components/schemas/${name}"`))
    if (unused.length === 0) return document
    for (const name of unused) delete schemas[name]
  }
}
