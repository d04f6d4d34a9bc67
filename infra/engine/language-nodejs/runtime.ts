import { createRequire } from "node:module";
import { resolve } from "node:path";
import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  type ServerUnaryCall,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type * as language from "@pulumi/pulumi/proto/language_pb.js";
import languagePb from "@pulumi/pulumi/proto/language_pb.js";
import type { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb.js";
import pluginPb from "@pulumi/pulumi/proto/plugin_pb.js";
import type { Empty } from "google-protobuf/google/protobuf/empty_pb.js";
import emptyPb from "google-protobuf/google/protobuf/empty_pb.js";
import type { Children, Exit } from "./children.ts";
import { directDependencies, requiredPackages } from "./required-packages.ts";
import { runArguments, runEnvironment } from "./run-request.ts";

/** What `@pulumi/pulumi/cmd/run` exits with when it has already told the user why (cmd/run/index.js). */
const EXITED_AFTER_LOGGING = 32;

export interface RuntimeOptions {
  children: Children;
  /** Address of the engine's own gRPC service, `host:port`; programs log to it. */
  engineAddress: string;
}

/**
 * Pulumi's `LanguageRuntime` service for Node.js programs, as far as previewing, updating and destroying stacks needs
 * it. Programs and plugins are run by the SDK's own `cmd/run` and `cmd/run-plugin`. Code generation (`pulumi convert`,
 * `pulumi package add`) is not served: the engine reports those calls as unimplemented.
 */
export function languageRuntime({ children, engineAddress }: RuntimeOptions): UntypedServiceImplementation {
  const handshake = unary<language.LanguageHandshakeRequest, language.LanguageHandshakeResponse>(
    () => new languagePb.LanguageHandshakeResponse(),
  );

  const getPluginInfo = unary<Empty, PluginInfo>(() => {
    const info = new pluginPb.PluginInfo();
    info.setVersion((createRequire(import.meta.url)("@pulumi/pulumi/package.json") as { version: string }).version);
    return info;
  });

  const getRequiredPackages = unary<language.GetRequiredPackagesRequest, language.GetRequiredPackagesResponse>(
    (request) => {
      const response = new languagePb.GetRequiredPackagesResponse();
      for (const required of requiredPackages(programDirectory(request.getInfo()))) {
        const dependency = new pluginPb.PackageDependency();
        dependency.setName(required.name);
        dependency.setKind("resource");
        dependency.setVersion(required.version);
        dependency.setServer(required.server);
        if (required.parameterization) {
          const parameterization = new pluginPb.PackageParameterization();
          parameterization.setName(required.parameterization.name);
          parameterization.setVersion(required.parameterization.version);
          parameterization.setValue(required.parameterization.value);
          dependency.setParameterization(parameterization);
        }
        response.addPackages(dependency);
      }
      return response;
    },
  );

  const getProgramDependencies = unary<language.GetProgramDependenciesRequest, language.GetProgramDependenciesResponse>(
    (request) => {
      const response = new languagePb.GetProgramDependenciesResponse();
      for (const { name, version } of directDependencies(programDirectory(request.getInfo()))) {
        const dependency = new languagePb.DependencyInfo();
        dependency.setName(name);
        dependency.setVersion(version);
        response.addDependencies(dependency);
      }
      return response;
    },
  );

  const run = unary<language.RunRequest, language.RunResponse>(async (request, call) => {
    const child = children.start({
      args: [sdkCommand("run", programDirectory(request.getInfo())), ...runArguments(request, engineAddress)],
      cwd: request.getPwd(),
      env: { ...process.env, ...runEnvironment(request) },
      output: "inherit",
    });
    call.on("cancelled", () => children.stop(child));
    return runResponse(await child.exit);
  });

  const runPlugin: handleServerStreamingCall<language.RunPluginRequest, language.RunPluginResponse> = (call) => {
    const directory = programDirectory(call.request.getInfo());
    const child = children.start({
      args: [sdkCommand("run-plugin", directory), directory, ...call.request.getArgsList()],
      cwd: call.request.getPwd(),
      env: environmentOf(call.request.getEnvList()),
      output: "pipe",
    });
    call.on("cancelled", () => children.stop(child));
    child.process.stdout?.on("data", (chunk: Buffer) => {
      const response = new languagePb.RunPluginResponse();
      response.setStdout(chunk);
      call.write(response);
    });
    child.process.stderr?.on("data", (chunk: Buffer) => {
      const response = new languagePb.RunPluginResponse();
      response.setStderr(chunk);
      call.write(response);
    });
    child.exit.then(
      ({ code }) => {
        const response = new languagePb.RunPluginResponse();
        response.setExitcode(code ?? 1);
        call.write(response);
        call.end();
      },
      (error: Error) => call.emit("error", { code: status.UNKNOWN, message: error.message }),
    );
  };

  const installDependencies: handleServerStreamingCall<
    language.InstallDependenciesRequest,
    language.InstallDependenciesResponse
  > = (call) => {
    const response = new languagePb.InstallDependenciesResponse();
    response.setStdout(Buffer.from("Dependencies come from package-lock.json: npm ci installs them.\n"));
    call.write(response);
    call.end();
  };

  const about = unary<language.AboutRequest, language.AboutResponse>(() => {
    const response = new languagePb.AboutResponse();
    response.setExecutable(process.execPath);
    response.setVersion(process.version);
    return response;
  });

  const cancel = unary<Empty, Empty>(async () => {
    await children.stopAll();
    return new emptyPb.Empty();
  });

  return {
    handshake,
    getPluginInfo,
    getRequiredPackages,
    getProgramDependencies,
    run,
    runPlugin,
    installDependencies,
    about,
    cancel,
  };
}

/** A gRPC handler out of a function that returns the answer. What it throws reaches the engine as a message. */
function unary<Request, Response>(
  answer: (request: Request, call: ServerUnaryCall<Request, Response>) => Response | Promise<Response>,
): handleUnaryCall<Request, Response> {
  return (call, done) => {
    (async () => answer(call.request, call))().then(
      (response) => done(null, response),
      (error: unknown) => done({ code: status.UNKNOWN, message: error instanceof Error ? error.message : `${error}` }),
    );
  };
}

function programDirectory(info: language.ProgramInfo | undefined): string {
  const directory = info?.getProgramDirectory() || info?.getRootDirectory();
  if (!directory) throw new Error("the engine did not say where the program lies");
  return directory;
}

/** The SDK's entry point, of the very `@pulumi/pulumi` that the program will import: two copies would not share state. */
function sdkCommand(command: "run" | "run-plugin", directory: string): string {
  try {
    return createRequire(resolve(directory, "package.json")).resolve(`@pulumi/pulumi/cmd/${command}`);
  } catch (cause) {
    throw new Error(`@pulumi/pulumi is not installed for the program in ${directory}; run npm ci there`, { cause });
  }
}

function runResponse({ code, signal }: Exit): language.RunResponse {
  const response = new languagePb.RunResponse();
  if (code === EXITED_AFTER_LOGGING) response.setBail(true);
  else if (signal) response.setError(`the program was ended by ${signal}`);
  else if (code !== 0) response.setError(`the program exited with code ${code}`);
  return response;
}

function environmentOf(entries: readonly string[]): NodeJS.ProcessEnv {
  return Object.fromEntries(
    entries.map((entry) => {
      const equals = entry.indexOf("=");
      return [entry.slice(0, equals), entry.slice(equals + 1)];
    }),
  );
}
