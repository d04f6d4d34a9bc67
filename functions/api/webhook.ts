import { controlPlane } from "../deployed.ts";

/** `POST /api/webhook`, see webhook.ts. */
export function POST(request: Request): Promise<Response> {
  return controlPlane.webhook(request);
}
