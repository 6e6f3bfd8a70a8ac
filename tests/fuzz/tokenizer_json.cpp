// tokenizer.json: what opens also encodes and decodes.
#include "src/text/bpe_tokenizer.h"
#include "tests/fuzz/fuzz.h"

namespace usam::fuzz {

std::vector<std::string> seeds() {
  const std::string vocab = R"("vocab":{"a":0,"b":1,"ab":2,"Ġ":3,"Ġa":4,"Ċ":5},"merges":[["a","b"],["Ġ","a"]])";
  const std::string added = R"("added_tokens":[{"id":6,"content":"<|end|>","single_word":false,"lstrip":false,)"
                            R"("rstrip":false,"normalized":false,"special":true}])";
  return {
      R"({"version":"1.0",)" + added + R"(,"normalizer":null,"pre_tokenizer":{"type":"ByteLevel",)" +
          R"("add_prefix_space":false,"trim_offsets":true,"use_regex":true},"post_processor":null,)" +
          R"("decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},)" +
          R"("model":{"type":"BPE","dropout":null,"unk_token":null,)" + vocab + "}}",
      R"({"version":"1.0",)" + added + R"(,"normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"Sequence",)" +
          R"("pretokenizers":[{"type":"Split","pattern":{"Regex":"\\p{N}{1,3}|\\s+|[^\\s]+"},"behavior":"Isolated",)" +
          R"("invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false}]},)" +
          R"("post_processor":null,"decoder":{"type":"ByteLevel"},"model":{"type":"BPE","ignore_merges":true,)" +
          R"("byte_fallback":false,"fuse_unk":false,)" + vocab + "}}",
      R"({"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]},"pre_tokenizer":{"type":"ByteLevel"},"decoder":{"type":"ByteLevel"}})"};
}

void read(std::string_view bytes) {
  const auto tokenizer = open_tokenizer_json(bytes, "tokenizer.json");
  for (const char* text : {"", "ab a<|end|>\n b", "\u00e9\u4e2d 123"}) {
    const auto ids = tokenizer->encode(text, Specials::kParse);
    tokenizer->decode(ids);
  }
}

}  // namespace usam::fuzz
