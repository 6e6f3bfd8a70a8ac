#include "trainer/pieces.h"

#include <numeric>

#include "src/base/error.h"
#include "tests/checkpoints.h"
#include "tests/support.h"
#include "tests/train/toy_run.h"

namespace usam {
namespace {

// Tensors whose elements are all different: element i of the k-th is 1000 k + i.
const std::vector<std::pair<std::string, std::vector<int64_t>>> kTensors = {
    {"bias.average", {3}}, {"matrix.average", {4, 5}}, {"empty.average", {0, 2}}, {"spare.average", {2, 2, 2}}};

torch::Tensor tensor(size_t k) {
  const torch::IntArrayRef shape = kTensors[k].second;
  return (torch::arange(c10::multiply_integers(shape)) + 1000 * static_cast<int64_t>(k)).to(torch::kFloat).view(shape);
}

// What one of `ranks` holds of all tensors: the k-th is cut into stretches of `lengths[k]` elements, one for each rank
// in turn, the last of what is left. Values are those of the tensors, or zeros.
std::vector<TensorPiece> held(int64_t rank, const std::vector<int64_t>& lengths, bool zeros) {
  std::vector<TensorPiece> pieces = {{"group.steps", torch::full({}, zeros ? 0.0 : 7.0), 0, {}}};
  for (size_t k = 0; k < kTensors.size(); ++k) {
    const torch::Tensor flat = tensor(k).view(-1);
    const int64_t begin = std::min(rank * lengths[k], flat.numel()), end = std::min(begin + lengths[k], flat.numel());
    const torch::Tensor values = flat.slice(0, begin, end).clone();
    pieces.push_back({kTensors[k].first, zeros ? torch::zeros_like(values) : values, begin, kTensors[k].second});
  }
  return pieces;
}

class Pieces : public ::testing::Test {
 protected:
  // Writes what each of `ranks` holds, as a checkpoint.
  std::string write(const std::string& name, int64_t ranks, const std::vector<int64_t>& lengths) const {
    std::filesystem::create_directories(path(name));
    for (int64_t rank = 0; rank < ranks; ++rank)
      write_pieces(path(name) + "/" + optimizer_file(rank, ranks), held(rank, lengths, false));
    return path(name);
  }
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  test::TemporaryFolder folder_;
};

void expect_same(const std::vector<TensorPiece>& a, const std::vector<TensorPiece>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_TRUE(a[i].values.equal(b[i].values)) << a[i].name << " from " << a[i].begin << ": " << a[i].values;
}

TEST_F(Pieces, AreReadByAnotherNumberOfRanksWithOtherBounds) {
  const std::vector<int64_t> by_two = {3, 11, 0, 5}, by_three = {1, 7, 0, 3}, whole = {3, 20, 0, 8};
  const std::string two = write("two", 2, by_two), three = path("three");
  EXPECT_EQ(test::names_in(two),
            (std::vector<std::string>{"optimizer-00001-of-00002.safetensors", "optimizer-00002-of-00002.safetensors"}));
  std::filesystem::create_directory(three);
  for (int64_t rank = 0; rank < 3; ++rank) {
    auto mine = held(rank, by_three, true);
    restore_pieces(mine, two);
    expect_same(mine, held(rank, by_three, false));
    write_pieces(three + "/" + optimizer_file(rank, 3), mine);  // what was read, not what was expected
  }
  auto one = held(0, whole, true);
  restore_pieces(one, three);
  expect_same(one, held(0, whole, false));
}

TEST_F(Pieces, WholeTensorsMakeTheFileOfARunOfOneRank) {
  const std::string one = write("one", 1, {3, 20, 0, 8});
  io::NamedTensors tensors = {{"group.steps", torch::full({}, 7.0)}};
  for (size_t k = 0; k < kTensors.size(); ++k) tensors.emplace_back(kTensors[k].first, tensor(k));
  io::write_safetensors(path("plain"), tensors);
  EXPECT_EQ(test::content(one + "/optimizer.safetensors"), test::content(path("plain")));
  auto mine = test::whole_pieces(tensors);
  for (TensorPiece& piece : mine) piece.values = torch::zeros_like(piece.values);
  restore_pieces(mine, one);
  expect_same(mine, test::whole_pieces(tensors));
}

TEST_F(Pieces, FillTensorsInAnOrderOfTheirOwn) {
  write("two", 2, {3, 11, 0, 5});
  auto mine = held(0, {3, 20, 0, 8}, true);
  mine[2].values = torch::zeros({5, 4}).t();
  restore_pieces(mine, path("two"));
  EXPECT_TRUE(mine[2].values.equal(tensor(1)));
}

TEST_F(Pieces, WhatDoesNotFitIsListed) {
  const std::string two = write("two", 2, {3, 11, 0, 5});
  std::filesystem::remove(two + "/optimizer-00002-of-00002.safetensors");
  auto mine = held(0, {3, 20, 0, 8}, true);
  mine[0].name = "other.steps";
  mine[1].shape = {4};
  mine[4].values = torch::zeros({3}, torch::kDouble);
  EXPECT_EQ(test::message_of([&] { restore_pieces(mine, two); }),
            "The optimizer's state in " + two +
                " does not fit this run:\n"
                "  other.steps: missing in the checkpoint\n"
                "  bias.average: expected Float (4), got Float (3)\n"
                "  matrix.average: elements 11 to 19 of 20 are missing\n"
                "  spare.average: expected Double (2, 2, 2), got Float (2, 2, 2)\n"
                "  group.steps: in the checkpoint, but not in this run");
  EXPECT_TRUE(mine[2].values.equal(torch::zeros(20)));  // nothing is filled
  // What a rank holds nothing of is no leftover, and is not missing.
  auto last = held(5, {3, 20, 0, 8}, true);
  restore_pieces(last, two);
  std::filesystem::remove(two + "/optimizer-00001-of-00002.safetensors");
  EXPECT_EQ(test::message_of([&] { restore_pieces(last, two); }), two + " holds no state of an optimizer.");
}

TEST_F(Pieces, MalformedFilesAreRefused) {
  const std::string folder = path("bad"), file = folder + "/optimizer.safetensors";
  std::filesystem::create_directory(folder);
  const auto message = [&](const io::NamedTensors& tensors, const std::string& shapes) {
    io::write_safetensors(file, tensors, {{"shapes", shapes}});
    return test::message_of([&] { stored_tensors(folder); });
  };
  const io::NamedTensors piece = {{"m[2:5]", torch::ones({3})}};
  const std::string refusal = file + ": 'm[2:5]' is not a piece of a tensor that the file describes.";
  EXPECT_EQ(message(piece, R"({"n": [9]})"), refusal);
  EXPECT_EQ(message(piece, R"({"m": [4]})"), refusal);
  EXPECT_EQ(message({{"m[2:5]", torch::ones({2})}}, R"({"m": [9]})"), refusal);
  EXPECT_EQ(message(piece, R"({"m": [9]})"), "");
  EXPECT_EQ(message({{"m[2:5]", torch::ones({3})}, {"m", torch::ones({8})}}, R"({"m": [9]})"),
            file + ": 'm' is of Float (9), in another file of Float (8).");
  EXPECT_NE(message(piece, "[").find(file + ": the shapes in its metadata cannot be read: "), std::string::npos);
}

TEST_F(Pieces, WhatIsStoredIsTold) {
  const std::string two = write("two", 2, {3, 11, 0, 5});
  std::filesystem::remove(two + "/optimizer-00001-of-00002.safetensors");
  std::map<std::string, std::string> problems;
  for (const StoredTensor& stored : stored_tensors(two)) problems[stored.name] = stored.problem;
  EXPECT_EQ(problems, (std::map<std::string, std::string>{{"empty.average", ""},
                                                          {"group.steps", ""},
                                                          {"matrix.average", "elements 0 to 10 of 20 are missing"},
                                                          {"spare.average", "elements 0 to 4 of 8 are missing"}}));
}

}  // namespace
}  // namespace usam
