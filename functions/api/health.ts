import { controlPlane } from "../deployed.ts";

/** `GET /api/health`, see health.ts. */
export function GET(): Promise<Response> {
  return controlPlane.health();
}
