// Where an index is kept, whether it may be used, and who builds it.
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <thread>

#include "data/index_builder.h"
#include "data/index_stamp.h"
#include "src/base/error.h"
#include "src/base/file_lock.h"
#include "src/base/log.h"
#include "src/base/text.h"
#include "src/io/safetensors.h"
#include "src/io/safetensors_header.h"

namespace usam::data {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kVersion = "usam index 1";
constexpr double kWaitSeconds = 1800;  // for another process that builds

bool can_write(const std::string& folder) {
  std::error_code ignored;
  fs::create_directories(folder, ignored);
  return access(folder.c_str(), W_OK | X_OK) == 0;
}

Json tasks_json(const std::vector<IndexTask>& tasks) {
  Json list = Json::array();
  for (const IndexTask& t : tasks) list.push_back({t.task, t.has_prompt, t.rows});
  return list;
}

class Opening {
 public:
  Opening(const IndexRequest& request, ManifestProblems& problems) : request_(request), problems_(problems) {
    places_ = index_places(request.path, request.folder, ".usam-index");
  }

  std::shared_ptr<Index> open() {
    if (auto found = find()) return found;
    try {
      return build();
    } catch (const BuiltElsewhere& other) {
      return other.index;
    }
  }

 private:
  struct BuiltElsewhere {
    std::shared_ptr<Index> index;
  };

  std::shared_ptr<Index> find() {
    for (const std::string& place : places_) {
      if (!fs::exists(place)) continue;
      std::string why;
      if (auto index = load(place, why)) return index;
      log::info("{}: the index {} is built again: {}", request_.path, place, why);
    }
    return nullptr;
  }

  std::shared_ptr<Index> load(const std::string& place, std::string& why) {
    try {
      const io::SafetensorsFile file(place);
      const auto& told = file.metadata();
      const auto entry = [&](const char* name) { return told.contains(name) ? told.at(name) : std::string(); };
      if (entry("version") != kVersion || entry("reader") != request_.reader) {
        why = fmt::format("it is of '{}', '{}'", entry("version"), entry("reader"));
        return nullptr;
      }
      const auto stamps = stamps_from(Json::parse(entry("files")));
      bool is_touched = false;
      why = changed_since(stamps, request_.path, request_.files, is_touched);
      if (!why.empty()) return nullptr;
      auto state = read_columns(file, Json::parse(entry("rows")), why);
      if (!state) return nullptr;
      for (const Json& t : Json::parse(entry("tasks"))) state->tasks.push_back({t.at(0), t.at(1), t.at(2)});
      if (state->unmeasured > 0 && entry("measured_under") != request_.measured_under) {
        why = "the folders of audio are others";
        return nullptr;
      }
      auto index = std::make_shared<Index>(state);
      check(*index);
      measure(*index, *state);
      if (is_touched) store(*state, place, times());
      return index;
    } catch (const UserError& e) {
      why = e.what();
    } catch (const Json::exception& e) {
      why = e.what();
    }
    return nullptr;
  }

  std::shared_ptr<Index::State> read_columns(const io::SafetensorsFile& file, const Json& rows, std::string& why) {
    auto state = std::make_shared<Index::State>();
    state->rows = rows.at(0);
    state->unmeasured = rows.at(1);
    state->files = request_.files;
    for (size_t i = 0; i < kColumns; ++i) {
      const auto& [name, type] = kColumnKinds[i];
      if (!file.contains(name)) continue;
      state->columns[i] = file.get(name);
      if (state->columns[i].scalar_type() != type || state->columns[i].dim() != 1 ||
          (i != kNames && state->columns[i].numel() != state->rows)) {
        why = fmt::format("its column '{}' is damaged", name);
        return nullptr;
      }
    }
    if (!state->columns[kKeyHash].defined() || !state->columns[kTextBytes].defined()) {
      why = "it lacks columns";
      return nullptr;
    }
    return state;
  }

  void check(const Index& index) const {
    if (!request_.check) return;
    request_.check(index, [&](int32_t file, int64_t line, const std::string& sentence) {
      problems_.add(fmt::format("{}:{}: {}", request_.files.at(static_cast<size_t>(file)), line, sentence));
    });
  }

  // Rows whose length nothing said; the number of those that were measured, now or earlier, stays.
  void measure(Index& index, Index::State& state) const {
    if (request_.measure && state.unmeasured > 0) request_.measure(index);
  }

  std::shared_ptr<Index> build() {
    for (int attempt = 0;; ++attempt) {
      const Times before = times();
      ManifestProblems found;
      FileLock lock(FileLock::AtEnd::kRemoveFile);  // one process at a time builds an index
      std::string place;
      ColumnBuilder builder(request_,
                            [&] { return place = place_to_write(lock), fs::path(place).parent_path().string(); });
      request_.build(builder);
      bool is_whole = true;
      auto state = builder.finish(found, is_whole);
      is_whole = is_whole && found.empty();
      if (const std::string why = changed_since_then(before); !why.empty()) {
        if (attempt == 2)
          user_error("{}: the manifest changes while it is read: {}; wait until it is written", request_.path, why);
        continue;
      }
      auto index = std::make_shared<Index>(state);
      if (found.empty()) measure(*index, *state);
      for (const std::string& problem : found.all()) problems_.add(problem);
      problems_.add_unnamed(found.count() - std::ssize(found.all()));
      if (!place.empty() && is_whole && !before.empty()) return stored(index, *state, place, before);
      return index;
    }
  }

  // Sizes and times alone: their hashes are only needed where an index is stored.
  using Times = std::vector<std::pair<int64_t, int64_t>>;
  Times times() const {
    Times all;
    for (const std::string& file : request_.files) {
      struct stat info{};
      if (stat(file.c_str(), &info) != 0) return {};
      all.emplace_back(info.st_size, int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec);
    }
    return all;
  }
  std::string changed_since_then(const Times& before) const {
    if (before.empty()) return "";
    const Times after = times();
    if (after.size() != before.size()) return "a file is gone";
    for (size_t i = 0; i < after.size(); ++i) {
      if (after[i] != before[i])
        return fmt::format("{} had {} bytes, now it has {}", request_.files[i], before[i].first, after[i].first);
    }
    return "";
  }

  // Called once there are enough rows: the place whose folder takes files, locked, or "". Throws BuiltElsewhere where
  // another process has stored the index meanwhile.
  std::string place_to_write(FileLock& lock) {
    const auto begin = Clock::now();
    for (const std::string& place : places_) {
      if (!can_write(fs::path(place).parent_path().string())) continue;
      bool has_waited = false;
      while (!lock.try_take(place + ".lock")) {
        if (!has_waited) log::info("{}: another process builds the index; waiting for it", request_.path);
        has_waited = true;
        if (std::chrono::duration<double>(Clock::now() - begin).count() > kWaitSeconds) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
      std::string why;
      if (fs::exists(place)) {  // stored since it was looked for
        if (auto index = load(place, why)) throw BuiltElsewhere{index};
      }
      return place;
    }
    warn(fmt::format("no folder can be written to: {}", join_words(places_)));
    return "";
  }

  // The mapped index where it could be stored, else the one in memory.
  std::shared_ptr<Index> stored(std::shared_ptr<Index> index, const Index::State& state, const std::string& place,
                                const Times& before) {
    std::string why;
    const auto begin = Clock::now();
    if (!store(state, place, before)) return index;
    log::info("{}: the index of its {} rows is kept in {} ({})", request_.path, human_count(state.rows), place,
              human_seconds(std::chrono::duration<double>(Clock::now() - begin).count()));
    auto mapped = load(place, why);
    return mapped ? mapped : index;
  }

  // `before`: of the files as they were when their rows were read.
  bool store(const Index::State& state, const std::string& place, const Times& before) const try {
    const auto stamps = stamp_files(request_.path, request_.files);
    if (const std::string why = changed_since_then(before); !why.empty()) return warn(why), false;
    io::NamedTensors tensors;
    for (size_t i = 0; i < kColumns; ++i) {
      if (state.columns[i].defined()) tensors.emplace_back(kColumnKinds[i].name, state.columns[i]);
    }
    const io::Metadata told = {{"version", kVersion},
                               {"reader", request_.reader},
                               {"files", to_line(to_json(stamps))},
                               {"rows", to_line({state.rows, state.unmeasured})},
                               {"tasks", to_line(tasks_json(state.tasks))},
                               {"measured_under", request_.measured_under}};
    io::write_safetensors(place, tensors, told);
    return true;
  } catch (const UserError& e) {
    warn(e.what());
    return false;
  }

  void warn(const std::string& reason) const {
    log::warn("{}: the index of its rows cannot be kept and is built anew each time: {}", request_.path, reason);
  }

  const IndexRequest& request_;
  ManifestProblems& problems_;
  std::vector<std::string> places_;
};

}  // namespace

std::vector<std::string> index_places(const std::string& path, const std::string& folder, const std::string& ending) {
  fs::path source = fs::absolute(path).lexically_normal();
  if (!source.has_filename()) source = source.parent_path();  // "folder/"
  const std::string name = source.filename().string();
  const std::string elsewhere = fmt::format("{}-{:016x}{}", name, key_hash(source.string()), ending);
  if (!folder.empty()) return {(fs::absolute(folder) / elsewhere).lexically_normal().string()};
  std::vector<std::string> places = {(source.parent_path() / ("." + name + ending)).string()};
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  if (cache && *cache == '/')
    places.push_back((fs::path(cache) / "usam/index" / elsewhere).string());
  else if (home && *home == '/')
    places.push_back((fs::path(home) / ".cache/usam/index" / elsewhere).string());
  return places;
}

std::shared_ptr<Index> open_index(const IndexRequest& request, ManifestProblems& problems) {
  return Opening(request, problems).open();
}

}  // namespace usam::data
