// usam-serve: answers about audio over HTTP, in the words of OpenAI's API and on a page.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <thread>

#include "recipes/run.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/dist/launch.h"
#include "tools/base_options.h"
#include "tools/command_line.h"
#include "tools/serve/service.h"
#include "trainer/signals.h"

namespace {

using namespace usam;

struct Arguments {
  std::string checkpoint, host = "127.0.0.1";
  int port = 8300;
  int64_t max_new_tokens = 0, max_upload_mb = 25;
  double max_seconds = 0;
  recipes::BaseFolders bases;
  serve::ServiceOptions service;
};

// RUN of RUN/best, else the folder's own name.
std::string name_of(const std::string& checkpoint) {
  const auto path = std::filesystem::absolute(checkpoint + "/.").lexically_normal().parent_path();
  const auto name = path.filename().string();
  const bool is_in_run = name == "best" || name == "last" || name.starts_with("checkpoint-");
  return is_in_run ? path.parent_path().filename().string() : name;
}

// Serves until a signal comes, and then until what is under way is answered.
void run(serve::HttpServer& server, serve::Service& service) {
  const StopSignals signals;
  std::jthread listening([&server] { server.listen_after_bind(); });
  while (!StopSignals::received()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  log::info("Stopping: requests under way are answered first; a second interrupt stops at once.");
  service.stop();
  while (!service.is_idle()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  server.close_idle();
  server.stop();
}

int serve_checkpoint(Arguments& arguments) {
  auto overrides = recipes::base_overrides(arguments.checkpoint, arguments.bases);
  if (arguments.max_new_tokens > 0)
    overrides.push_back(fmt::format("evaluate.max_new_tokens={}", arguments.max_new_tokens));
  const auto config = recipes::checkpoint_config(arguments.checkpoint, overrides);
  const auto recipe = recipes::open_checkpoint(arguments.checkpoint, config);
  const auto device = dist::local_device({});
  recipe->module().to(device);

  auto& options = arguments.service;
  options.most_upload_bytes = arguments.max_upload_mb << 20;
  options.most_seconds = arguments.max_seconds > 0 ? arguments.max_seconds : config.data.max_seconds;
  options.threads = std::max<int64_t>(1, config.data.threads);
  if (options.model.empty()) options.model = name_of(arguments.checkpoint);
  serve::Service service(*recipe, config, device, options);
  serve::HttpServer server(service.threads(), std::chrono::seconds(30));
  service.mount(server);
  const int port = server.bind(arguments.host, arguments.port);
  const bool is_loopback =
      arguments.host == "localhost" || arguments.host == "::1" || arguments.host.starts_with("127.");
  if (!is_loopback && options.api_key.empty())
    log::warn(
        "{} can be reached from other machines and asks nobody who they are: anyone there can use the model. "
        "Give --api-key, or --host 127.0.0.1.",
        arguments.host);
  std::printf("http://%s:%d\n", arguments.host.c_str(), port);
  std::fflush(stdout);
  run(server, service);
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Answers about audio over HTTP: OpenAI-style endpoints and a page. Prints its address when it is ready.",
               "usam-serve");
  Arguments arguments;
  auto& service = arguments.service;
  app.add_option("--checkpoint", arguments.checkpoint, "a checkpoint, like RUN/best")->required();
  app.add_option("--host", arguments.host, "address to listen on")->capture_default_str();
  app.add_option("--port", arguments.port, "0: any that is free")->capture_default_str()->check(CLI::Range(0, 65535));
  app.add_option("--api-key", service.api_key,
                 "clients must send 'Authorization: Bearer KEY'; default: USAM_API_KEY, if set")
      ->envname("USAM_API_KEY");
  app.add_option("--model-name", service.model, "what clients call the model; default: the name of the run's folder");
  app.add_option("--max-upload-mb", arguments.max_upload_mb, "largest audio file, in MiB")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app.add_option("--max-seconds", arguments.max_seconds, "longest audio; default: data.max_seconds of the checkpoint")
      ->check(CLI::PositiveNumber);
  app.add_option("--max-new-tokens", arguments.max_new_tokens,
                 "longest answer; default: evaluate.max_new_tokens of the checkpoint")
      ->check(CLI::PositiveNumber);
  app.add_option("--max-batch-rows", service.most_rows, "rows that go through the model together")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app.add_option("--queue", service.queue, "requests that may wait; more are refused with 429")
      ->capture_default_str()
      ->check(CLI::Range(0, 512));
  app.add_option("--timeout", service.timeout, "seconds that an answer may take, waiting included")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  add_base_options(app, arguments.bases);
  return run_app(app, argc, argv, [&] { return serve_checkpoint(arguments); });
}
