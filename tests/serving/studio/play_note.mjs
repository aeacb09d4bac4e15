// Plays a note in a studio: play_note.mjs PROTO_FOLDER HOST:PORT DEU. Says as JSON what came back.
import { createRequire } from "node:module";
import path from "node:path";

// Node looks for modules of a script beside it; these lie in a cache folder.
const require = createRequire(path.join(process.env.MODULES, "modules.js"));
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [folder, address, deu] = process.argv.slice(2);
const definition = loader.loadSync("amadeus/v1/studio.proto", {
  includeDirs: [folder],
  keepCase: true,
  defaults: true,
  longs: Number,
  oneofs: true,
});
const { Studio } = grpc.loadPackageDefinition(definition).amadeus.v1;
const metadata = new grpc.Metadata();
if (process.env.TOKEN) metadata.set("authorization", `Bearer ${process.env.TOKEN}`);

const studio = new Studio(address, grpc.credentials.createInsecure());
const call = studio.Perform(metadata, { deadline: Date.now() + 60_000 });
const heard = { kinds: [], offsets: [], n_samples: 0, peak: 0 };

call.on("data", (answer) => {
  heard.kinds.push(answer.message);
  if (answer.message !== "audio") return;
  const { samples, sample_offset } = answer.audio;
  heard.offsets.push(sample_offset);
  heard.n_samples += samples.length / 4;
  for (let at = 0; at < samples.length; at += 4)
    heard.peak = Math.max(heard.peak, Math.abs(samples.readFloatLE(at)));
});
call.on("status", ({ code, details, metadata }) => {
  const trailers = metadata.get("grpc-status-details-bin").map((bytes) => bytes.toString("latin1"));
  console.log(JSON.stringify({ ...heard, code, details, trailers }));
  studio.close();
});
call.on("error", () => {}); // told by the status

call.write({ configuration: { personality: { generation: { deu } }, sample_rate: 48000 } });
call.write({ midi: { sample_offset: 0, data: Buffer.from([0x90, 0x45, 0x64]) } });
call.write({ midi: { sample_offset: 24000, data: Buffer.from([0x80, 0x45, 0x40]) } });
call.write({ advance: { sample_offset: 24000 } });
call.end();
