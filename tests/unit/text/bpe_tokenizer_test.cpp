// tokenizer.json: what is refused, with which words, and the rules that the parity tests do not reach.
#include "src/text/bpe_tokenizer.h"

#include <atomic>
#include <thread>

#include "src/text/chat_template.h"
#include "src/text/tokenizer_config.h"
#include "src/text/tokenizer_json.h"
#include "tests/support.h"

namespace usam {
namespace {

using Ids = std::vector<int64_t>;

constexpr const char* kTiny = R"({"version": "1.0", "truncation": null, "padding": null,
"added_tokens": [{"id": 4, "content": "<e>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
"normalizer": null,
"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
"post_processor": null,
"decoder": {"type": "ByteLevel", "add_prefix_space": true},
"model": {"type": "BPE", "dropout": null, "unk_token": null, "fuse_unk": false, "byte_fallback": false,
"vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3}, "merges": [["a", "b"]]}})";

std::string with(const std::string& from, const std::string& to) {
  std::string json = kTiny;
  const size_t at = json.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return json.replace(at, from.size(), to);
}

std::shared_ptr<Tokenizer> tiny(const text::TokenizerFiles& files = {}) {
  return open_tokenizer_json(kTiny, "t.json", files);
}

std::string refusal(const std::string& json) {
  return test::message_of([&] { open_tokenizer_json(json, "t.json"); });
}

TEST(BpeTokenizer, EncodesAndDecodes) {
  const auto tokenizer = tiny();
  EXPECT_EQ(tokenizer->encode("ab ab"), (Ids{2, 3, 2}));
  EXPECT_EQ(tokenizer->encode("ab<e>b", Specials::kParse), (Ids{2, 4, 1}));
  EXPECT_EQ(tokenizer->encode("ab<e>b"), (Ids{2, 1}));  // characters that the vocabulary lacks vanish, as in HF
  EXPECT_EQ(tokenizer->encode_mixed("<e>a<e>b<e>", 3, 8), (Ids{4, 0, 1, 4}));
  EXPECT_EQ(tokenizer->encode_mixed("<e>", 1, 2), Ids{});
  EXPECT_EQ(tokenizer->encode(""), Ids{});
  EXPECT_EQ(tokenizer->decode({2, 4, 3, 1}), "ab b");
  EXPECT_EQ(tokenizer->decode({2, 4, 3, 1}, SpecialText::kKept), "ab<e> b");
  EXPECT_EQ(tokenizer->vocab_size(), 5);
  EXPECT_EQ(tokenizer->find("<e>"), 4);
  EXPECT_EQ(tokenizer->find("ab"), 2);
  EXPECT_EQ(tokenizer->find("ba"), std::nullopt);
}

TEST(BpeTokenizer, IdsWithoutATokenHaveNoText) {
  EXPECT_EQ(tiny()->decode({0, 5, 100000, 1}), "ab");
  EXPECT_EQ(test::message_of([] { tiny()->decode({-1}); }), "Token id -1 is negative.");
}

TEST(BpeTokenizer, BrokenBytesAreReplaced) {
  const auto tokenizer = open_tokenizer_json(with(R"("Ġ": 3)", R"("Ġ": 3, "Ã": 5, "©": 6)"), "t.json");
  EXPECT_EQ(tokenizer->encode("é"), (Ids{5, 6}));
  EXPECT_EQ(tokenizer->decode({5, 6, 5}), "é\uFFFD");
}

TEST(BpeTokenizer, LongWordsTakeNoMoreThanNLogN) {
  std::string text;
  for (int i = 0; i < (1 << 19); ++i) text += "ab";
  EXPECT_EQ(tiny()->encode(text), Ids(size_t{1} << 19, 2));
}

TEST(BpeTokenizer, TextNeverMergesIntoASpecialToken) {
  const auto tokenizer =
      open_tokenizer_json(with(R"("id": 4, "content": "<e>")", R"("id": 2, "content": "ab")"), "t.json");
  EXPECT_EQ(tokenizer->encode("ab"), (Ids{0, 1}));
  EXPECT_EQ(tokenizer->encode("ab", Specials::kParse), Ids{2});
}

TEST(BpeTokenizer, ServesSeveralThreads) {
  const auto tokenizer = tiny();
  const Ids expected = tokenizer->encode("ab a b ab");
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i)
        if (tokenizer->encode("ab a b ab") != expected) ++wrong;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(BpeTokenizer, RolesComeFromTheFilesBesideIt) {
  const auto eos = [](const text::TokenizerFiles& files) { return tiny(files)->eos(); };
  EXPECT_EQ(eos({{"tokenizer_config.json", R"({"eos_token": "<e>"})"}}), 4);
  EXPECT_EQ(eos({{"tokenizer_config.json", R"({"eos_token": {"content": "ab", "lstrip": false}})"}}), 2);
  EXPECT_EQ(eos({{"special_tokens_map.json", R"({"eos_token": "<e>"})"}}), 4);
  EXPECT_EQ(eos({{"generation_config.json", R"({"eos_token_id": [1, 0]})"}, {"config.json", R"({"eos_token_id": 0})"}}),
            1);
  EXPECT_EQ(eos({{"config.json", R"({"eos_token_id": 3})"}}), 3);
  EXPECT_EQ(test::message_of([&] { eos({}); }),
            "t.json: no end token is named. Give 'eos_token' in a tokenizer_config.json or 'eos_token_id' in a "
            "generation_config.json beside it.");
  EXPECT_EQ(tiny({{"tokenizer_config.json", R"({"bos_token": "<e>"})"}})->bos(), 4);
  EXPECT_EQ(
      tiny({{"tokenizer_config.json", R"({"bos_token": null})"}, {"config.json", R"({"bos_token_id": 1})"}})->bos(),
      std::nullopt);
  const auto padded = tiny({{"tokenizer_config.json", R"({"pad_token": "<pad>"})"}});
  EXPECT_EQ(padded->encode("<pad>", Specials::kParse), Ids{5});
  EXPECT_EQ(padded->decode({0, 5}), "a");
}

// Of transformers' releases before 4.34: what has files of its own there comes before tokenizer_config.json.
TEST(BpeTokenizer, OlderFoldersKeepTheirTokensInFilesOfTheirOwn) {
  const text::TokenizerFiles older = {{"tokenizer_config.json", R"({"bos_token": "<e>", "eos_token": "<e>"})"},
                                      {"special_tokens_map.json", R"({"eos_token": "<end>"})"},
                                      {"added_tokens.json", R"({"<turn>": 6, "<end>": 5})"}};
  const auto tokenizer = tiny(older);
  EXPECT_EQ(tokenizer->eos(), 5);
  EXPECT_EQ(tokenizer->bos(), 4);
  EXPECT_EQ(tokenizer->encode("a<turn>b<end>", Specials::kParse), (Ids{0, 6, 1, 5}));
  EXPECT_EQ(tokenizer->encode("a<turn>"), (Ids{0, 6}));  // no special token: made from any text
  auto newer = older;
  newer["tokenizer_config.json"] =
      R"({"eos_token": "<e>", "added_tokens_decoder": {"4": {"content": "<e>", "special": true}}})";
  EXPECT_EQ(tiny(newer)->eos(), 4);
  EXPECT_EQ(tiny(newer)->vocab_size(), 5);
}

TEST(BpeTokenizer, AFolderMaySayThatNoTextBeginsWithBos) {
  const auto tokenizer = tiny({{"tokenizer_config.json", R"({"bos_token": "<e>", "add_bos_token": false})"}});
  EXPECT_EQ(tokenizer->bos(), 4);  // for templates
  EXPECT_FALSE(tokenizer->begins_with_bos());
  EXPECT_EQ(Chat({}, *tokenizer).left("ab"), Ids{2});
  EXPECT_EQ(Chat({}, *tiny({{"tokenizer_config.json", R"({"bos_token": "<e>"})"}})).left("ab"), (Ids{4, 2}));
}

TEST(BpeTokenizer, TheTemplatesFirstTokenIsTheBeginning) {
  const std::string json = with(
      R"("post_processor": null)",
      R"("post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<e>", "type_id": 0}}], "pair": []})");
  EXPECT_EQ(open_tokenizer_json(json, "t.json")->bos(), 4);
}

TEST(BpeTokenizer, RefusesWhatItDoesNotKnow) {
  const auto type = [](const std::string& from, const std::string& key, const std::string& name,
                       const char* supported) {
    // What is left of the old value becomes that of another key.
    const std::string rest = from.ends_with("null") ? "null" : R"({"type": "")";
    EXPECT_EQ(
        refusal(with(from, "\"" + key + R"(": {"type": ")" + name + R"("}, "_": )" + rest)),
        fmt::format("t.json: '{}' is of type '{}', which is not supported; supported are: {}.", key, name, supported));
  };
  type(R"("normalizer": null)", "normalizer", "Lowercase", "NFC, NFD, NFKC, NFKD, Prepend, Replace, Sequence");
  type(R"("post_processor": null)", "post_processor", "Foo", "ByteLevel, Sequence, TemplateProcessing");
  type(R"("pre_tokenizer": {"type": "ByteLevel")", "pre_tokenizer", "Whitespace",
       "ByteLevel, Digits, Metaspace, Sequence, Split");
  type(R"("decoder": {"type": "ByteLevel")", "decoder", "CTC",
       "ByteFallback, ByteLevel, Fuse, Replace, Sequence, Strip");
  EXPECT_EQ(refusal(with(R"("type": "BPE")", R"("type": "Unigram")")),
            "t.json: 'model' is of type 'Unigram', which is not supported; supported are: BPE.");
  EXPECT_EQ(refusal(with(R"("dropout": null)", R"("dropout": 0.1)")),
            "t.json: 'model.dropout' is 0.1, which is not supported; supported is: null.");
  EXPECT_EQ(refusal(with(R"("fuse_unk")", R"("fuse")")), "t.json: 'model.fuse' is not a key that usam knows.");
  EXPECT_EQ(refusal(with(R"("1.0")", R"("2.0")")),
            "t.json: 'version' is \"2.0\", which is not supported; supported is: 1.0.");
  const std::string level =
      R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true})";
  const auto split = [&](const std::string& regex) {
    return refusal(with(level, R"({"type": "Split", "pattern": {"Regex": ")" + regex +
                                   R"("}, "behavior": "Isolated", "invert": false})"));
  };
  EXPECT_EQ(split("("),
            "t.json: 'pre_tokenizer.pattern' is not supported: the regular expression '(' is not understood (missing "
            "closing parenthesis).");
  EXPECT_EQ(
      split("a*"),
      "t.json: 'pre_tokenizer.pattern' is not supported: the regular expression 'a*' matches nothing at all as well.");
  EXPECT_EQ(split("[a[b]]"),
            "t.json: 'pre_tokenizer.pattern' is not supported: nested character classes and '[:names:]' are not "
            "supported.");
  for (const char* other : {"[[:alpha:]]", "a{,2}b", "a(?i)b|c", "\\\\v", "\\\\Qa\\\\E"})
    EXPECT_NE(split(other).find("supported"), std::string::npos) << other;
  EXPECT_EQ(split("\\\\h"), "t.json: 'pre_tokenizer.pattern' is not supported: '\\h' is not supported.");
  EXPECT_EQ(split(std::string(5000, 'a')),
            "t.json: 'pre_tokenizer.pattern' is not supported: the regular expression is longer than 4096 bytes.");
  EXPECT_EQ(
      refusal(with(level, R"({"type": "Sequence", "pretokenizers": [)" + level + ", " + level + "]}")),
      "t.json: 'pre_tokenizer.pretokenizers[1]' is not supported: nothing may come after the pre-tokenizer ByteLevel.");
}

TEST(BpeTokenizer, RefusesMalformedFiles) {
  EXPECT_TRUE(refusal("{").starts_with("t.json: the file is not valid JSON: ")) << refusal("{");
  EXPECT_EQ(refusal("[]"), "t.json: the file must hold a JSON object.");
  EXPECT_EQ(refusal(std::string(100, '[')), "t.json: the file is nested more than 32 levels deep.");
  EXPECT_EQ(refusal(with(R"("ab": 2)", R"("ab": 0)")),
            "t.json: 'model.vocab' gives the id 0 to 'ab', but it is that of 'a'.");
  EXPECT_EQ(refusal(with(R"("b": 1)", R"("a": 1)")), "t.json: 'model.vocab' names the token 'a' twice.");
  EXPECT_EQ(refusal(with(R"("ab": 2)", R"("ab": 99999999)")),
            "t.json: 'model.vocab' gives the token 'ab' the id 99999999, which is far above the number of tokens.");
  EXPECT_EQ(refusal(with(R"("ab": 2)", R"("ab": -2)")),
            "t.json: 'model.vocab' must map every token to its id; 'ab' has none.");
  EXPECT_EQ(refusal(with(R"("a", "b"])", R"("a", "c"])")),
            "t.json: 'model.merges[0]' names the token 'c', which is not in 'model.vocab'.");
  EXPECT_EQ(refusal(with(R"(["a", "b"])", R"("a b c")")),
            R"(t.json: 'model.merges[0]' must be two tokens, ["a", "b"] or "a b".)");
  EXPECT_EQ(refusal(with(R"(, "merges": [["a", "b"]])", "")),
            "t.json: 'model.merges' must be a list of pairs of tokens, got nothing.");
  EXPECT_EQ(refusal(with(R"("id": 4)", R"("id": 2)")),
            "t.json: 'added_tokens' gives the id 2 to '<e>', but it is that of 'ab'.");
  EXPECT_EQ(refusal(with(R"("<e>")", R"("ab")")),
            "t.json: 'added_tokens' gives the token 'ab' the id 4, but it has the id 2.");
  EXPECT_EQ(refusal(with(R"("special": true)", R"("special": 1)")),
            "t.json: 'added_tokens[0].special' must be true or false, got 1.");
  EXPECT_EQ(test::message_of([] { tiny({{"tokenizer_config.json", R"({"eos_token": 3})"}}); }),
            "tokenizer_config.json: 'eos_token' must be a text, got 3.");
}

TEST(BpeTokenizer, RefusesTextThatItCannotCut) {
  EXPECT_EQ(test::message_of([] { tiny()->encode("a\xFF"); }), "A text to tokenize is not valid UTF-8: 'a?'.");
  const std::string json =
      with(R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true})",
           R"({"type": "Split", "pattern": {"Regex": "(?:a|aa)+[xy]"}, "behavior": "Isolated", "invert": false})");
  EXPECT_EQ(test::message_of([&] { open_tokenizer_json(json, "t.json")->encode(std::string(100, 'a')); }),
            "A text cannot be cut into words by the tokenizer's regular expression: match limit exceeded.");
}

TEST(Chat, NeedsItsTokens) {
  const auto tokenizer = tiny({{"tokenizer_config.json", R"({"eos_token": "<e>"})"}});
  EXPECT_EQ(
      test::message_of([&] { Chat({ChatTemplate::kQwen, {}}, *tokenizer); }),
      "The chat template 'qwen' needs the token <|im_start|>, which the language model's tokenizer does not have.");
  EXPECT_EQ(Chat({ChatTemplate::kLlama2, {}}, *tokenizer).end_of_turn(), 4);
}

TEST(Chat, AUsersTextIsPlain) {
  const auto tokenizer = tiny({{"tokenizer_config.json", R"({"bos_token": "<e>", "eos_token": "<e>"})"}});
  const Chat none({}, *tokenizer), llama({ChatTemplate::kLlama2, "a"}, *tokenizer);
  EXPECT_EQ(none.left("<e>a"), (Ids{4, 0}));
  EXPECT_EQ(none.right("b<e>"), Ids{1});
  EXPECT_EQ(llama.frame().before, "<e>[INST] <<SYS>>\na\n<</SYS>>\n\n");
  EXPECT_EQ(llama.left("b<e>").front(), 4);
  EXPECT_EQ(llama.left("b<e>").back(), 1);
}

}  // namespace
}  // namespace usam
