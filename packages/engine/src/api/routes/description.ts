import swagger from "@fastify/swagger"
import swaggerUi from "@fastify/swagger-ui"
import type { FastifyInstance } from "fastify"
import { jsonSchemaTransform, jsonSchemaTransformObject } from "fastify-type-provider-zod"

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
    transformObject: jsonSchemaTransformObject,
  })
  await app.register(swaggerUi, { routePrefix: "/docs", staticCSP: true })
  app.get("/openapi.json", { schema: { hide: true } }, async () => app.swagger())
}
