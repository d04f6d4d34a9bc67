import type { ServerResponse } from "node:http";

/**
 * Two more hosts that the plugin asks while it checks a project, without authorization (contracts §5.8.7): the known
 * frameworks, and what each function region can do. A failure there fails the run, previews too.
 */
export const SIDE_HOSTS = { frameworks: "api-frameworks.zeit.sh", regions: "dcs.vercel-infra.com" } as const;

const FRAMEWORKS = ["astro", "fastify", "hono", "nextjs", "nuxtjs", "remix", "sveltekit-1", "vite"];
const REGIONS = "arn1 bom1 cdg1 cle1 cpt1 dub1 fra1 gru1 hkg1 hnd1 iad1 icn1 kix1 lhr1 pdx1 sfo1 sin1 syd1".split(" ");

export function answerFrameworks(response: ServerResponse): void {
  answer(
    response,
    FRAMEWORKS.map((slug) => ({ slug })),
  );
}

export function answerRegions(response: ServerResponse): void {
  answer(response, Object.fromEntries(REGIONS.map((region) => [region, { caps: ["V2_DEPLOYMENT_CREATE"] }])));
}

function answer(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}
