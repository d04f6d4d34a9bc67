import { controlPlane } from "../deployed.ts";

/** `GET /api/drain`, see cron.ts. */
export function GET(request: Request): Promise<Response> {
  return controlPlane.cron(request);
}
