#include "trainer/pieces.h"

#include <c10/util/accumulate.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>

#include "src/base/error.h"
#include "src/base/json.h"
#include "trainer/manifest.h"

namespace usam {
namespace {

constexpr const char* kShapes = "shapes";  // metadata: {name: shape} of the tensors that a file holds pieces of

// Elements [begin, end) of a flattened tensor. Without values where only their place matters.
struct Stretch {
  int64_t begin = 0, end = 0;
  torch::Tensor values;
};

// A tensor as the files of a checkpoint hold it.
struct Stored {
  std::vector<int64_t> shape;
  torch::ScalarType dtype = torch::kFloat;
  std::vector<Stretch> stretches;  // by rising begin, once all are read
};

int64_t end_of(const TensorPiece& piece) {
  return piece.begin + piece.values.numel();
}

// An entry's name taken apart.
struct EntryName {
  std::string tensor;
  bool is_whole = true;
  int64_t begin = 0, end = 0;
};

EntryName parse_entry(const std::string& entry) {
  const size_t open = entry.rfind('['), colon = entry.find(':', open == entry.npos ? 0 : open);
  if (!entry.ends_with(']') || open == entry.npos || colon == entry.npos) return {entry, true, 0, 0};
  EntryName name{entry.substr(0, open), false, 0, 0};
  const char *text = entry.data(), *last = text + entry.size() - 1;
  const auto begin = std::from_chars(text + open + 1, text + colon, name.begin);
  const auto end = std::from_chars(text + colon + 1, last, name.end);
  const bool are_numbers =
      begin.ec == std::errc() && begin.ptr == text + colon && end.ec == std::errc() && end.ptr == last;
  return are_numbers ? name : EntryName{entry, true, 0, 0};
}

std::map<std::string, std::vector<int64_t>> read_shapes(const io::SafetensorsFile& file) {
  const auto found = file.metadata().find(kShapes);
  if (found == file.metadata().end()) return {};
  try {
    return Json::parse(found->second).get<std::map<std::string, std::vector<int64_t>>>();
  } catch (const Json::exception& e) {
    user_error("{}: the shapes in its metadata cannot be read: {}", file.path(), e.what());
  }
}

void read_file_of_pieces(const std::string& path, std::map<std::string, Stored>& tensors) {
  const io::SafetensorsFile file(path);
  const auto shapes = read_shapes(file);
  for (const std::string& entry : file.names()) {
    const torch::Tensor values = file.get(entry);
    EntryName name = parse_entry(entry);
    std::vector<int64_t> shape = values.sizes().vec();
    if (name.is_whole) {
      name.end = values.numel();
    } else {
      const auto found = shapes.find(name.tensor);
      const bool fits = found != shapes.end() && name.begin >= 0 && name.end - name.begin == values.numel() &&
                        name.end <= c10::multiply_integers(found->second);
      if (!fits) user_error("{}: '{}' is not a piece of a tensor that the file describes.", path, entry);
      shape = found->second;
    }
    const auto [place, is_new] = tensors.try_emplace(name.tensor, Stored{shape, values.scalar_type(), {}});
    Stored& stored = place->second;
    if (!is_new && (stored.shape != shape || stored.dtype != values.scalar_type()))
      user_error("{}: '{}' is of {}, in another file of {}.", path, name.tensor, kind_text(values.scalar_type(), shape),
                 kind_text(stored.dtype, stored.shape));
    stored.stretches.push_back({name.begin, name.end, values.reshape(-1)});
  }
}

std::map<std::string, Stored> read_stored(const std::string& checkpoint) {
  const std::vector<std::string> files = optimizer_files(checkpoint);
  if (files.empty()) user_error("{} holds no state of an optimizer.", checkpoint);
  std::map<std::string, Stored> tensors;
  for (const std::string& file : files) read_file_of_pieces(checkpoint + "/" + file, tensors);
  for (auto& [name, stored] : tensors)
    std::stable_sort(stored.stretches.begin(), stored.stretches.end(),
                     [](const Stretch& a, const Stretch& b) { return a.begin < b.begin; });
  return tensors;
}

// What of [begin, end) no file holds: "elements 6 to 9 of 12 are missing", or "".
std::string gaps(const Stored& stored, int64_t begin, int64_t end) {
  std::vector<std::string> missing;
  const auto note = [&](int64_t from, int64_t to) {
    if (from < to) missing.push_back(to - from == 1 ? std::to_string(from) : fmt::format("{} to {}", from, to - 1));
  };
  int64_t known = begin;  // all before is held
  for (const Stretch& stretch : stored.stretches) {
    note(known, std::min(stretch.begin, end));
    known = std::max(known, std::min(stretch.end, end));
  }
  note(known, end);
  if (missing.empty()) return "";
  return fmt::format("elements {} of {} are missing", fmt::join(missing, ", "), c10::multiply_integers(stored.shape));
}

std::string piece_problem(const TensorPiece& target, const std::map<std::string, Stored>& tensors) {
  const auto found = tensors.find(target.name);
  if (found == tensors.end()) return "missing in the checkpoint";
  const Stored& stored = found->second;
  if (stored.shape != target.shape || stored.dtype != target.values.scalar_type())
    return fmt::format("expected {}, got {}", kind_text(target.values.scalar_type(), target.shape),
                       kind_text(stored.dtype, stored.shape));
  return target.values.numel() == 0 ? "" : gaps(stored, target.begin, end_of(target));
}

void fill(const TensorPiece& target, const Stored& stored) {
  torch::Tensor values = target.values;
  torch::Tensor flat = values.reshape(-1);  // of a tensor in an order of its own this is a copy
  for (const Stretch& stretch : stored.stretches) {
    const int64_t begin = std::max(stretch.begin, target.begin), end = std::min(stretch.end, end_of(target));
    if (begin >= end) continue;
    flat.slice(0, begin - target.begin, end - target.begin)
        .copy_(stretch.values.slice(0, begin - stretch.begin, end - stretch.begin));
  }
  if (!flat.is_alias_of(values)) values.copy_(flat.view_as(values));
}

void check_piece(const TensorPiece& piece) {
  if (piece.begin < 0 || end_of(piece) > c10::multiply_integers(piece.shape))
    internal_error("piece [{}:{}] lies outside of tensor '{}' of shape ({})", piece.begin, end_of(piece), piece.name,
                   fmt::join(piece.shape, ", "));
}

bool is_optimizer_file(const std::string& name) {
  return name == "optimizer.safetensors" || (name.starts_with("optimizer-") && name.ends_with(".safetensors"));
}

}  // namespace

std::string kind_text(torch::ScalarType dtype, const std::vector<int64_t>& shape) {
  return fmt::format("{} ({})", std::string(c10::toString(dtype)), fmt::join(shape, ", "));
}

std::string optimizer_file(int64_t rank, int64_t files) {
  return files == 1 ? "optimizer.safetensors" : fmt::format("optimizer-{:05}-of-{:05}.safetensors", rank + 1, files);
}

std::vector<std::string> optimizer_files(const std::string& checkpoint) {
  std::vector<std::string> files;
  if (std::filesystem::exists(checkpoint + "/manifest.json")) {
    files = manifest_files(checkpoint);
  } else {
    for (const auto& entry : std::filesystem::directory_iterator(checkpoint))
      files.push_back(entry.path().filename().string());
    std::sort(files.begin(), files.end());
  }
  std::erase_if(files, [](const std::string& name) { return !is_optimizer_file(name); });
  return files;
}

void write_pieces(const std::string& path, const std::vector<TensorPiece>& pieces) {
  io::NamedTensors entries;
  nlohmann::json shapes = nlohmann::json::object();
  for (const TensorPiece& piece : pieces) {
    check_piece(piece);
    const int64_t whole = c10::multiply_integers(piece.shape);
    if (piece.values.numel() == whole) {
      entries.emplace_back(piece.name, piece.values.detach().reshape(piece.shape));
    } else if (piece.values.numel() > 0) {
      entries.emplace_back(fmt::format("{}[{}:{}]", piece.name, piece.begin, end_of(piece)),
                           piece.values.detach().reshape(-1));
      shapes[piece.name] = piece.shape;
    }
  }
  io::Metadata metadata;
  if (!shapes.empty()) metadata[kShapes] = shapes.dump();
  io::write_safetensors(path, entries, metadata);
}

void restore_pieces(const std::vector<TensorPiece>& targets, const std::string& checkpoint) {
  const auto tensors = read_stored(checkpoint);
  std::vector<std::string> problems;
  std::set<std::string> wanted;
  for (const TensorPiece& target : targets) {
    check_piece(target);
    wanted.insert(target.name);
    if (const std::string problem = piece_problem(target, tensors); !problem.empty())
      problems.push_back(target.name + ": " + problem);
  }
  for (const auto& [name, stored] : tensors)
    if (!wanted.contains(name)) problems.push_back(name + ": in the checkpoint, but not in this run");
  if (!problems.empty())
    user_error("The optimizer's state in {} does not fit this run:\n  {}", checkpoint, fmt::join(problems, "\n  "));
  torch::NoGradGuard no_grad;
  for (const TensorPiece& target : targets) fill(target, tensors.at(target.name));
}

std::vector<StoredTensor> stored_tensors(const std::string& checkpoint) {
  std::vector<StoredTensor> all;
  for (const auto& [name, stored] : read_stored(checkpoint)) {
    const int64_t values = c10::multiply_integers(stored.shape);
    all.push_back({name, values, gaps(stored, 0, values)});
  }
  return all;
}

}  // namespace usam
