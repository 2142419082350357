"""What commands read off released nights; no Spark but where a tag or an audience is worked out anew."""
